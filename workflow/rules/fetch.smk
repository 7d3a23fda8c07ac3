# fetch: declared files and folders come into data/, checked by size and hash.
# Needs: the mirror folder PTH2MAP_MIRROR, the network, or a person. Makes: data/<path>, scratch/fetched/<path>.<identity>.json.
# The record is what rules wait for (POINTS.evidence), not the file: Snakemake removes outputs as it sees fit, and the
# files may be a person's. Its name holds a hash of what is declared, so another declaration is another output.


rule fetch_file:
    """Put a declared file below data/, or see that the one there is right."""
    output:
        record="scratch/fetched/{path}.{identity}.json",
    log:
        "logs/fetch/{path}.{identity}.log",
    benchmark:
        "logs/fetch/{path}.{identity}.benchmark.tsv"
    wildcard_constraints:
        path=places_of("files"),
        identity="[0-9a-f]{12}",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        script=script("fetch_file"),
        declaration=declaration_of,
    message:
        "fetch {wildcards.path}"
    shell:
        "python {params.script:q} --declaration {params.declaration:q} --data data"
        " --record {output.record:q} 2> {log:q}"


rule fetch_folder:
    """Unpack a declared folder below data/."""
    output:
        record="scratch/fetched/{path}.{identity}.json",
    log:
        "logs/fetch/{path}.{identity}.log",
    benchmark:
        "logs/fetch/{path}.{identity}.benchmark.tsv"
    wildcard_constraints:
        path=places_of("folders"),
        identity="[0-9a-f]{12}",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        script=script("fetch_folder"),
        declaration=declaration_of,
    message:
        "fetch {wildcards.path}"
    shell:
        "python {params.script:q} --declaration {params.declaration:q} --data data"
        " --record {output.record:q} 2> {log:q}"
