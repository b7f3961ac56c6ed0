import math

import pytest

from mibench.errors import MibenchError
from mibench.estimation import Estimate
from mibench.estimators.answer import last_line, read_answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", Estimate(0.5)),
        ("loading ...\n-1e-3\n\n", Estimate(-0.001)),
        ("1\r\n2\r\n", Estimate(2.0)),
        ("inf", Estimate(math.inf)),
        ('{"value": 0.5}', Estimate(0.5)),
        ('{"mi": 2, "std_error": null, "message": null, "diagnostics": null}', Estimate(2.0)),
        (
            'x\n{"value": 1.5, "std_error": 0.25, "diagnostics": {"steps": [1]}, "message": "hm"}',
            Estimate(1.5, 0.25, {"steps": [1]}, "hm"),
        ),
    ],
)
def test_a_number_or_an_object(text, expected):
    assert read_answer(text) == expected


@pytest.mark.parametrize("text", ["nan", "NaN", "NA", "None", "null", '{"value": null}', '{"mi": NaN}'])
def test_no_value_is_a_failed_estimate(text):
    assert math.isnan(read_answer(text).value)


def test_a_failed_estimate_has_its_message():
    found = read_answer('{"value": null, "message": "did not converge"}')
    assert (math.isnan(found.value), found.message) == (True, "did not converge")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "printed nothing"),
        (" \n\n", "printed nothing"),
        ("[1] 0.5", r"printed '\[1\] 0.5' last; print a number"),
        ("0,5", "printed '0,5' last"),
        ("[0.5]", "printed"),
        ('{"value": 0.5', "printed"),
        ("0.5\nbye", "printed 'bye' last"),
        ("{" * 100_000, "printed"),
        ("[" * 100_000, "printed"),
        ('{"valeu": 0.5}', "unknown key 'valeu'; did you mean value"),
        ('{"std_error": 0.5}', "one of value and mi"),
        ('{"value": 1, "mi": 1}', "one of value and mi"),
        ('{"value": "0.5"}', "value in the program's answer must be a number or null, got '0.5'"),
        ('{"value": true}', "value in the program's answer must be a number"),
        (f'{{"mi": {"9" * 400}}}', "mi in the program's answer must be a number"),
        ('{"value": 1, "std_error": [1]}', "std_error in the program's answer must be a number"),
        ('{"value": 1, "diagnostics": [1]}', "diagnostics in the program's answer must be a JSON object"),
        ('{"value": 1, "message": 1}', "message in the program's answer must be a string"),
    ],
)
def test_anything_else_is_an_error(text, says):
    with pytest.raises(MibenchError, match=says):
        read_answer(text)


def test_the_reason_is_what_comes_before_the_last_words_of_r():
    assert last_line("Error in f() : no such thing\nExecution halted\n") == "Error in f() : no such thing"
    assert last_line("\n") == ""
