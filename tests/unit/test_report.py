import json
from pathlib import Path

import pytest

from flightdeck.models import Diff
from flightdeck.presentation.report import report

VECTORS = json.loads((Path(__file__).parents[1] / "golden/report_vectors.json").read_text())["cases"]


def answered(vector):
    """1.3's answer with the keys that were added since."""
    return {**vector["json"], "verdict": {"status": "PASS"}, "data_quality": {}}


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.contract("C1.15")
def test_the_text_of_a_diff_is_that_of_1_3(vector):
    assert report(Diff.model_validate(answered(vector))) + "\n" == vector["text"]


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.contract("C2.19")
def test_no_key_of_1_3_is_lost_renamed_or_changed_in_our_model(vector):
    ours = Diff.model_validate(answered(vector)).model_dump(mode="json")
    del ours["verdict"], ours["data_quality"], ours["windows"]
    added = {"baseline_unpriced_runs", "candidate_unpriced_runs"}
    ours["samples"] = {key: value for key, value in ours["samples"].items() if key not in added}
    assert ours == vector["json"]
