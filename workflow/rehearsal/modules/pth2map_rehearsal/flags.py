"""The command line of atc: its syntax, and the values that are checked while it is read."""

import re
from collections.abc import Iterable, Mapping

from pth2map_rehearsal.errors import AtcError, CommandLineError, coded, invalid

CHOICES: Mapping[str, tuple[str, ...]] = {
    "framework": ("0", "1", "3", "5"),
    "mode": ("0", "1", "3", "5", "6", "7", "30"),
    "log": ("debug", "info", "warning", "error", "null"),
    "op_select_implmode": (
        "high_precision",
        "high_performance",
        "high_precision_for_all",
        "high_performance_for_all",
    ),
    "precision_mode": (
        "force_fp16",
        "force_fp32",
        "cube_fp16in_fp32out",
        "allow_mix_precision",
        "allow_fp32_to_fp16",
        "must_keep_origin_dtype",
        "allow_mix_precision_fp16",
        "allow_mix_precision_bf16",
        "allow_fp32_to_bf16",
    ),
    "precision_mode_v2": (
        "fp16",
        "origin",
        "cube_fp16in_fp32out",
        "mixed_float16",
        "mixed_bfloat16",
        "cube_hif8",
        "mixed_hif8",
    ),
}
REHEARSED = frozenset(
    {
        *CHOICES,
        "model",
        "output",
        "soc_version",
        "input_format",
        "input_shape",
        "dynamic_batch_size",
        "dynamic_image_size",
        "dynamic_dims",
        "insert_op_conf",
        "enable_small_channel",
        "out_nodes",
        "output_type",
    }
)
NOT_REHEARSED = frozenset(
    {
        "ac_parallel_enable",
        "aicore_num",
        "allow_hf32",
        "atomic_clean_policy",
        "buffer_optimize",
        "check_report",
        "cluster_config",
        "compress_weight_conf",
        "compression_optimize_conf",
        "core_type",
        "customize_dtypes",
        "debug_dir",
        "deterministic",
        "disable_reuse_memory",
        "display_model_info",
        "dump_mode",
        "enable_compress_weight",
        "enable_scope_fusion_passes",
        "enable_single_stream",
        "external_weight",
        "fusion_switch_file",
        "host_env_cpu",
        "host_env_os",
        "input_fp16_nodes",
        "input_hint_shape",
        "input_shape_range",
        "is_input_adjust_hw_layout",
        "is_output_adjust_hw_layout",
        "is_weight_clip",
        "jit_compile",
        "json",
        "keep_dtype",
        "mdl_bank_path",
        "modify_mixlist",
        "om",
        "op_bank_path",
        "op_compiler_cache_dir",
        "op_compiler_cache_mode",
        "op_debug_config",
        "op_debug_level",
        "op_name_map",
        "op_precision_mode",
        "optimization_switch",
        "optypelist_for_implmode",
        "quant_dumpable",
        "save_original_model",
        "shape_generalized_build_mode",
        "singleop",
        "sparsity",
        "status_check",
        "tiling_schedule_optimize",
        "virtual_type",
        "weight",
    }
)

USAGE = f"""\
usage: atc --framework=5 --model=FILE --output=STEM --soc_version=NAME [--FLAG=VALUE ...]

This is the rehearsal's stand-in. Flags it takes:
{chr(10).join(f"  --{flag}" for flag in sorted(REHEARSED))}
Flags of CANN's atc that it knows and refuses:
{chr(10).join(f"  --{flag}" for flag in sorted(NOT_REHEARSED))}"""


def parse(arguments: Iterable[str]) -> dict[str, str]:
    """Flags by name; ``help`` ends the reading, as in atc.

    Raises ``CommandLineError`` for what is no flag of atc, and ``AtcError`` for a value outside its choices.
    """
    rest = [_normal(argument) for argument in arguments]
    flags: dict[str, str] = {}
    strays = []
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or argument == "-":
            strays.append(argument)
        elif name in ("help", "h"):
            return {"help": ""}
        elif not argument.startswith("--") or name not in REHEARSED | NOT_REHEARSED:
            raise CommandLineError(f"unknown command line flag '{name}'")
        elif not equals and not rest:
            raise CommandLineError(f"flag '{argument}' is missing its argument")
        else:
            flags[name] = value if equals else rest.pop(0)
            _check_choice(name, flags[name])
    if strays:
        raise CommandLineError(*(f"Non-option parameter: {stray}" for stray in strays))
    return flags


def _normal(argument: str) -> str:
    """One dash before a word is as good as two, and dashes inside the name are underscores."""
    argument = re.sub(r"^-(?=[A-Za-z]{2})", "--", argument)
    if not re.match(r"--[A-Za-z]{2}", argument):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def _check_choice(name: str, value: str) -> None:
    choices = CHOICES.get(name)
    if choices is None or value in choices:
        return
    raise _outside(name, value, ", ".join(choices))


def _outside(name: str, value: str, choices: str) -> AtcError:
    if name == "framework":
        return no_framework()
    if name == "log":
        return coded("E10010", f"There is no log level [{value}].", f"Give one of {choices}.")
    return invalid(f"--{name}", value, f"It is none of {choices}.")


def no_framework() -> AtcError:
    return coded("E10007", "[--framework] is not given or no known framework.", "Give --framework=5 for an ONNX file.")
