# preflight: what an engine of a vendor needs is looked for where it will run, before any other job.
# Makes: scratch/engines/<engine>/{probe.json,ready.json,soc_version}.

BEFORE_ANYTHING_ELSE = 1000


rule probe_engine:
    """Find out what an engine lacks; that is no failure yet, so that all engines of a run are asked."""
    input:
        script=script("probe_engine"),
    output:
        probe="scratch/engines/{engine}/probe.json",
    log:
        "logs/engines/{engine}/probe.log",
    benchmark:
        "logs/engines/{engine}/probe.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind(*PROBES)),
    priority: BEFORE_ANYTHING_ELSE
    conda:
        ENVIRONMENT
    threads: cores_for_one_alone
    params:
        kind=kind_of,
        settings=not_remembered(engine_json),
        state=state_of_engine,
    message:
        "{wildcards.engine}: look for what it needs"
    shell:
        "python {input.script:q} --engine {wildcards.engine} --kind {params.kind} --settings {params.settings:q}"
        " --state {params.state} --probe {output.probe:q} 2> {log:q}"


rule require_engine:
    """Go on with an engine, or say all that it and the other engines of this run lack."""
    input:
        script=script("require_engine"),
        probe="scratch/engines/{engine}/probe.json",
    output:
        ready="scratch/engines/{engine}/ready.json",
        soc_version="scratch/engines/{engine}/soc_version",
    log:
        "logs/engines/{engine}/require.log",
    benchmark:
        "logs/engines/{engine}/require.benchmark.tsv"
    priority: BEFORE_ANYTHING_ELSE - 1
    conda:
        ENVIRONMENT
    threads: cores_for_one_alone
    params:
        state=state_of_engine,
    message:
        "{wildcards.engine}: may it be used?"
    shell:
        "python {input.script:q} --probe {input.probe:q} --ready {output.ready:q} --soc-version {output.soc_version:q}"
        " 2> {log:q}"
