"""Readable quantities: three significant figures and a unit."""

from __future__ import annotations

import math

_PREFIXES = ("", "k", "M", "G", "T")


def readable_bytes(count: float) -> str:
    """Bytes with a decimal prefix.

    Example:
        >>> readable_bytes(1_234_567)
        '1.23 MB'
    """
    return _scaled(count, "B")


def readable_bits(count: float) -> str:
    """Bits with a decimal prefix.

    Example:
        >>> readable_bits(8_000)
        '8.00 kbit'
    """
    return _scaled(count, "bit")


def readable_seconds(seconds: float) -> str:
    """A duration: as milliseconds, seconds, minutes or hours.

    Example:
        >>> readable_seconds(75)
        '1 min 15 s'
    """
    if not math.isfinite(seconds):
        return str(seconds)
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{significant(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def readable_factor(factor: float) -> str:
    """A compression factor, or a dash where nothing was sent.

    Example:
        >>> readable_factor(31.96)
        '32.0x'
    """
    return f"{significant(factor)}x" if math.isfinite(factor) else "-"


def significant(value: float) -> str:
    """Three significant figures without an exponent, for values that are not tiny.

    Example:
        >>> [significant(value) for value in (1.2345, 12.345, 1234.5)]
        ['1.23', '12.3', '1234']
    """
    if not math.isfinite(value):
        return str(value)
    digits = 0 if value == 0 else math.floor(math.log10(abs(float(f"{value:.2e}"))))
    return f"{value:.{max(2 - digits, 0)}f}"


def is_accuracy(metric: str) -> bool:
    """Whether a metric is a share of samples that are classified rightly: read in percent, and more is better.

    Example:
        >>> [is_accuracy(metric) for metric in ("accuracy", "accuracy_1_shot", "loss")]
        [True, True, False]
    """
    return metric == "accuracy" or metric.startswith("accuracy_")


def readable_metric(name: str, value: float) -> str:
    """A metric as it is usually read: accuracies in percent, losses with an exponent where they are small."""
    if not math.isfinite(value):
        return str(value)
    if is_accuracy(name):
        return f"{100 * value:.2f} %"
    return f"{value:.4f}" if 0.01 <= abs(value) < 1e4 else readable_number(value)


def readable_number(value: float) -> str:
    """Three significant figures, with an exponent where there would be many zeros.

    Example:
        >>> [readable_number(value) for value in (0.0123, 0.00012, 0.0)]
        ['0.0123', '1.20e-4', '0']
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 0.001 <= abs(value) < 1e5:
        return significant(value)
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def prefix(largest: float) -> tuple[float, str]:
    """The scale and the prefix in which numbers up to ``largest`` are readable."""
    power = 0 if largest < 1000 else min(math.floor(math.log10(largest) / 3), len(_PREFIXES) - 1)
    return 1000.0**power, _PREFIXES[power]


def _scaled(count: float, unit: str) -> str:
    if count == 0:
        return "0"
    scale, letter = prefix(float(f"{count:.2e}"))
    text = f"{count:.0f}" if scale == 1 else significant(count / scale)
    return f"{text} {letter}{unit}"
