# fetch: declared files come into data/, checked by size and hash.
# Needs: the mirror folder PTH2MAP_MIRROR, or the file put into place by hand. Makes: data/<path>.


rule fetch_file:
    """Put a declared file below data/."""
    input:
        script=script("fetch_file"),
    output:
        update("data/{path}"),  # never removed first: it may have been put there by hand
    log:
        "logs/fetch/{path}.log",
    benchmark:
        "logs/fetch/{path}.benchmark.tsv"
    wildcard_constraints:
        path=pattern(file.path for file in POINTS.config.files.values()),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        declaration=declaration_of,
    message:
        "fetch {wildcards.path}"
    shell:
        "python {input.script:q} --path {wildcards.path:q} {params.declaration} --output {output:q} 2> {log:q}"
