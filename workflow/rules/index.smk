# index: which images a dataset has, with sizes and hashes, and the ground truth of just these.
# Needs: the files of datasets.<name>.root. Makes: scratch/datasets/<name>/{index.json,ground_truth.{npz,json}}.


rule index_widerface:
    """Index the images of a WIDER FACE folder and read their ground truth."""
    input:
        script=script("index_widerface"),
        ground_truth=ground_truth_files,
        images=images_of,
        subset=subset_list,
    output:
        index="scratch/datasets/{dataset}/index.json",
        ground_truth="scratch/datasets/{dataset}/ground_truth.npz",
    log:
        "logs/datasets/{dataset}/index.log",
    benchmark:
        "logs/datasets/{dataset}/index.benchmark.tsv"
    wildcard_constraints:
        dataset=pattern(POINTS.datasets_scored_as("widerface")),
    conda:
        ENVIRONMENT
    params:
        root=root_of,
        subset=subset_options,
        rendered=rendered_option,
        state=index_state,
    message:
        "index {wildcards.dataset}"
    shell:
        "python {input.script:q} --dataset {wildcards.dataset:q} --root {params.root:q} {params.subset}"
        " {params.rendered} --index {output.index:q} --ground-truth {output.ground_truth:q} 2> {log:q}"


rule index_coco:
    """Index the images of a COCO folder and read their annotations."""
    input:
        script=script("index_coco"),
        ground_truth=ground_truth_files,
        images=images_of,
        subset=subset_list,
    output:
        index="scratch/datasets/{dataset}/index.json",
        ground_truth="scratch/datasets/{dataset}/ground_truth.json",
    log:
        "logs/datasets/{dataset}/index.log",
    benchmark:
        "logs/datasets/{dataset}/index.benchmark.tsv"
    wildcard_constraints:
        dataset=pattern(POINTS.datasets_scored_as("coco")),
    conda:
        ENVIRONMENT
    params:
        root=root_of,
        split=split_of,
        subset=subset_options,
        state=index_state,
    message:
        "index {wildcards.dataset}"
    shell:
        "python {input.script:q} --dataset {wildcards.dataset:q} --root {params.root:q} --split {params.split:q}"
        " {params.subset} --index {output.index:q} --ground-truth {output.ground_truth:q} 2> {log:q}"
