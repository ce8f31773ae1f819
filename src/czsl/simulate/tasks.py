"""Other questions to the same simulated survey: one configuration for each."""

from pathlib import Path

from czsl.files import write_text

SECTIONS = {
    "early_late": """\
# Early or late type; mergers are neither.
[classes]
column = "expert"
values = { early = "elliptical", late = ["clockwise", "anticlockwise", "edge"] }
ignore = ["merger"]

[classes.from_answers]
early = ["elliptical"]
late  = ["clockwise", "anticlockwise", "edge"]

""",
    "spirals": """\
# Ellipticals and the two senses of spirals.
[classes]
column = "expert"
values = { elliptical = "elliptical", clockwise = "clockwise", anticlockwise = "anticlockwise" }
ignore = ["edge", "merger"]
mirror = { clockwise = "anticlockwise" }

[classes.from_answers]
elliptical    = ["elliptical"]
clockwise     = ["clockwise"]
anticlockwise = ["anticlockwise"]

""",
    "mergers": """\
# A rare class against all others.
[classes]
column = "expert"
values = { other = ["elliptical", "clockwise", "anticlockwise", "edge"], merger = "merger" }

[classes.from_answers]
other  = ["elliptical", "clockwise", "anticlockwise", "edge", "other"]
merger = ["merger"]

""",
}
"""The section ``[classes]`` of each task."""


def write_tasks(folder: Path, config: str) -> None:
    """Write ``<task>.toml`` for each task beside the survey's ``czsl.toml``.

    Parameters
    ----------
    folder
        Of the survey.
    config
        The text of its ``czsl.toml``.

    Raises
    ------
    WriteError
        Where a file cannot be written.
    """
    start, end = config.index("# What experts say"), config.index("[images]")
    for name, classes in SECTIONS.items():
        write_text(folder / f"{name}.toml", config[:start] + classes + config[end:])
