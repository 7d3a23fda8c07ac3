"""The lines of ais_bench: level in brackets, on stdout."""


def info(text: str) -> None:
    print(f"[INFO] {text}", flush=True)


def error(text: str) -> None:
    print(f"[ERROR] {text}", flush=True)
