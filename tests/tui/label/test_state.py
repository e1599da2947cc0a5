"""The clips of the Label screen in their order."""

from core.labelling.label_worker import Opened, Row
from tui.label.state import Clips


def test_a_dataset_that_is_opened_again_lists_decided_clips_last() -> None:
    clips = Clips()
    clips.open(
        Opened(
            genres=["blues", "rock"],
            rows=[
                Row(index, str(index), "rock", "blues", doubt, "", decision)
                for index, doubt, decision in [(3, 0.9, "blues"), (1, 0.8, ""), (0, 0.7, "rock"), (2, 0.1, "")]
            ],
            ranked=None,
            reason="",
            has_audio=False,
        )
    )
    assert [clip.index for clip in clips.listed()] == [1, 2, 3, 0]

    clips.decide({1: "blues"})

    assert [clip.index for clip in clips.listed()] == [1, 2, 3, 0]  # a row does not jump when it is decided

    clips.sort_by("decision")
    assert [clip.index for clip in clips.listed()] == [1, 3, 0, 2]  # what is empty comes last
    clips.sort_by("decision")
    assert [clip.index for clip in clips.listed()] == [0, 1, 3, 2]
    clips.sort_by("decision")
    assert [clip.index for clip in clips.listed()] == [1, 2, 3, 0]
