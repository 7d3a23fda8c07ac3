# train: from labelled faces to a checkpoint, which is then exported like any other.
# Needs: datasets.<name>.training, a device that is there, weights to start from.
# Makes: scratch/training/<dataset>/{train.npz,validation.npz,wider_val.txt},
# results/<model>/train/{weights.pth,epochs.tsv,training.json,checkpoints} and, when asked for, training.png.
# A killed training goes on from scratch/<model>/train/<state>, which Snakemake does not know. Of what only decides where
# and how fast it runs nothing is remembered.


rule index_training:
    """Read the labelled faces of a training set and look at each of its images."""
    input:
        script=script("index_training"),
        labels=evidence_of_labels("train"),
        images=faces_evidence("train"),
    output:
        set="scratch/training/{dataset}/train.npz",
    log:
        "logs/datasets/{dataset}/training-train.log",
    benchmark:
        "logs/datasets/{dataset}/training-train.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        part="train",
        labels=labels_of("train"),
        images=faces_folder_of("train"),
        faults=faults_json,
        list="",
        state=faces_state("train"),
    message:
        "{wildcards.dataset}: index what is trained on"
    shell:
        "python {input.script:q} --dataset {wildcards.dataset} --part {params.part} --labels {params.labels:q}"
        " --images {params.images:q} --faults {params.faults:q} --set {output.set:q} {params.list} 2> {log:q}"


use rule index_training as index_validation with:
    input:
        script=script("index_training"),
        labels=evidence_of_labels("validation"),
        images=faces_evidence("validation"),
    output:
        set="scratch/training/{dataset}/validation.npz",
        list="scratch/training/{dataset}/wider_val.txt",
    log:
        "logs/datasets/{dataset}/training-validation.log",
    benchmark:
        "logs/datasets/{dataset}/training-validation.benchmark.tsv"
    params:
        part="validation",
        labels=labels_of("validation"),
        images=faces_folder_of("validation"),
        faults=faults_json,
        list="--list scratch/training/{dataset}/wider_val.txt",
        state=faces_state("validation"),
    message:
        "{wildcards.dataset}: index what a training is validated on"


rule require_device:
    """Go on with a training, or say what its device lacks, before anything else."""
    output:
        found="scratch/{model}/train/device.json",
    log:
        "logs/{model}/train/device.log",
    benchmark:
        "logs/{model}/train/device.benchmark.tsv"
    wildcard_constraints:
        model=pattern(POINTS.trained_models()),
    priority: BEFORE_ANYTHING_ELSE
    conda:
        ENVIRONMENT
    threads: cores_for_one_alone
    resources:
        card=cards_of_training,
    params:
        script=script("require_device"),
        environment=not_remembered(device_environment),
        python=not_remembered(device_python),
        name=not_remembered(device_name),
        options=not_remembered(device_options),
    message:
        "{wildcards.model}: look for the device that it is trained on"
    shell:
        "({params.environment}{params.python} {params.script:q} --name {params.name} {params.options}"
        " --found {output.found:q}) 2> {log:q}"


rule train:
    """Train a network on labelled faces, or go on where a killed training was left."""
    input:
        unpack(training_sets_of),
        script=script("train"),
        device=ancient(device_of_training),
        starts=evidence_of_starts,
    output:
        weights="results/{model}/train/weights.pth",
        epochs="results/{model}/train/epochs.tsv",
        record="results/{model}/train/training.json",
        checkpoints=directory("results/{model}/train/checkpoints"),
    log:
        "logs/{model}/train/train.log",
    benchmark:
        "logs/{model}/train/train.benchmark.tsv"
    wildcard_constraints:
        model=pattern(POINTS.trained_models()),
    conda:
        ENVIRONMENT
    threads: training_threads
    resources:
        card=cards_of_training,
    params:
        environment=not_remembered(device_environment),
        launcher=not_remembered(launcher),
        network=network_of,
        settings=training_settings_json,
        validation=validation_option,
        starts=start_options,
        device=not_remembered(device_options),
        reading=not_remembered(reading_options),
        threads=threads_of_each,
        place=training_state_folder,
        otherwise=not_remembered(sentence_last),
        state=state_of_model("train"),
    message:
        "{wildcards.model}: train"
    shell:
        "({params.environment}{params.launcher} {input.script:q} --network {params.network} --settings {params.settings:q}"
        " --train {input.train:q} {params.validation} {params.starts} {params.device} {params.reading}"
        " --threads {params.threads} --state {params.place} --weights {output.weights:q} --epochs {output.epochs:q}"
        " --record {output.record:q} --checkpoints {output.checkpoints:q}{params.otherwise}) 2> {log:q}"


rule plot_training:
    """Draw loss, learning rate and throughput of a training over its epochs."""
    input:
        script=script("plot_training"),
        epochs="results/{model}/train/epochs.tsv",
    output:
        picture="results/{model}/train/training.png",
    log:
        "logs/{model}/train/plot.log",
    benchmark:
        "logs/{model}/train/plot.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        state=state_of_model("plot_training"),
    message:
        "{wildcards.model}: draw the training"
    shell:
        "python {input.script:q} --epochs {input.epochs:q} --title '{wildcards.model}: training'"
        " --picture {output.picture:q} 2> {log:q}"
