# render: the pictures of a demo set, drawn here, with the ground truth and the labels of their faces.
# Needs: nothing. Makes: scratch/rendered/<settings>, in the layout of WIDER FACE, and scratch/rendered/<settings>.png.
# The folder is named by all settings of the set, so that pictures of several settings never mix.


rule render_demo:
    """Draw a demo set: pictures, ground truth, labelled faces, and a sheet to see it at a glance."""
    input:
        script=script("render_demo"),
    output:
        root=directory("scratch/rendered/{demo}"),
        sheet="scratch/rendered/{demo}.png",
    log:
        "logs/render/{demo}.log",
    benchmark:
        "logs/render/{demo}.benchmark.tsv"
    wildcard_constraints:
        demo=pattern(POINTS.demos),
    conda:
        ENVIRONMENT
    threads: 8
    params:
        settings=demo_options,
        state=state_of_demo,
    message:
        "render the pictures of the demo"
    shell:
        "python {input.script:q} --root {output.root:q} {params.settings} --processes {threads}"
        " --sheet {output.sheet:q} 2> {log:q}"
