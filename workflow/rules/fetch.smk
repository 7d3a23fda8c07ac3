# fetch: declared files and folders come into data/, checked by size and hash.
# Needs: the mirror folder PTH2MAP_MIRROR, the network, or a person. Makes: data/<path>.
# The outputs are marked `update`, and no rule here has an input: Snakemake neither removes what a person may have put
# there nor takes it for out of date.


rule fetch_file:
    """Put a declared file below data/."""
    output:
        update("data/{path}"),
    log:
        "logs/fetch/{path}.log",
    benchmark:
        "logs/fetch/{path}.benchmark.tsv"
    wildcard_constraints:
        path=places_of("files"),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        script=script("fetch_file"),
        declaration=file_json,
        state=file_state,
    message:
        "fetch {wildcards.path}"
    shell:
        "python {params.script:q} --declaration {params.declaration:q} --data data 2> {log:q}"


rule fetch_folder:
    """Unpack a declared folder below data/, with a record in it."""
    output:
        update("data/{path}/.fetched.json"),
    log:
        "logs/fetch/{path}.log",
    benchmark:
        "logs/fetch/{path}.benchmark.tsv"
    wildcard_constraints:
        path=places_of("folders"),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        script=script("fetch_folder"),
        declaration=folder_json,
        state=folder_state,
    message:
        "fetch {wildcards.path}"
    shell:
        "python {params.script:q} --declaration {params.declaration:q} --data data 2> {log:q}"
