import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mibench
from mibench.errors import SpecError
from mibench.spec import Spec, parse, split_list

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda s: s.isidentifier() and not _is_keyword(s))
literals = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.text(),
)
values = st.recursive(literals, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)


def _is_keyword(name):
    import keyword

    return keyword.iskeyword(name)


def calls(arguments):
    return st.builds(
        Spec,
        names,
        st.lists(arguments, max_size=3).map(tuple),
        st.dictionaries(names, arguments, max_size=3),
    )


specs = st.recursive(calls(values), lambda inner: calls(st.one_of(values, inner)), max_leaves=5)


@given(specs)
def test_what_is_printed_is_parsed_back(spec):
    assert parse(str(spec)) == spec
    assert str(parse(str(spec))) == str(spec)


@given(st.text())
def test_arbitrary_text_gives_a_spec_or_a_clean_error(text):
    try:
        assert isinstance(parse(text), Spec)
    except SpecError as error:
        assert str(error)


@given(st.text(alphabet="ab(),=-+*[]{}'\"1e.9 \n:lambdif", max_size=40))
def test_text_that_looks_like_python_gives_a_spec_or_a_clean_error(text):
    try:
        assert isinstance(parse(text), Spec)
    except SpecError as error:
        assert str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "f(",
        "f(x for x in y)",
        "f(*a)",
        "f(**a)",
        "f(a=1, a=2)",
        "(lambda: 1)()",
        "a.b(1)",
        "__import__('os').system('true')",
        "f(1 + 1)",
        "f(x=[i for i in (1,)])",
        "3",
        "'ksg'",
        "f(1e999)",
        "f(1j)",
        "f(b'x')",
        "f(...)",
        "a - 1",
        "f() - g",
        "f(--1)",
        "f(-True)",
        "f" * 5000,
        "(" * 3000 + "f" + ")" * 1000,
        "f\x00",
    ],
)
def test_what_is_no_call_of_literals_is_refused(text):
    with pytest.raises(SpecError):
        parse(text)


def test_hyphens_read_as_underscores():
    assert parse("flow-gaussian(head='tri-x', a=-1)") == Spec("flow_gaussian", (), {"head": "tri-x", "a": -1})
    assert parse("a-b-c") == Spec("a_b_c")
    assert parse("f(a-b(1e-6))") == Spec("f", (Spec("a_b", (1e-6,)),))


def test_lists_split_outside_brackets_and_quotes():
    assert split_list("ksg,ae(kde(), latent=2), f(a='x,y') ,") == ["ksg", "ae(kde(), latent=2)", "f(a='x,y')"]


@given(st.lists(specs, min_size=1, max_size=3))
def test_what_is_printed_is_split_as_it_was_joined(several):
    names = [str(spec) for spec in several]
    assert split_list(",".join(names)) == names


def test_a_quote_after_a_backslash_does_not_end_a_text():
    first = str(Spec("f", (), {"a": "it's \"x\", y"}))
    assert "\\" in first
    assert split_list(f"{first},g") == [first, "g"]


@pytest.mark.parametrize(
    ("given_name", "canonical"),
    [
        ("gaussian", "gaussian(d=1, mi=1)"),
        (" gaussian( mi = 2.0, d=3 ) ", "gaussian(d=3, mi=2)"),
        ("gaussian(3, 1e-6)", "gaussian(d=3, mi=1e-06)"),
        ("gaussian(mi=-0.0)", "gaussian(d=1, mi=0)"),
        ("gaussian(dx=3, dy=3)", "gaussian(d=3, mi=1)"),
        ("gaussian(d=3, dy=5)", "gaussian(mi=1, dx=3, dy=5)"),
        ("gaussian-dense(rho=.5, d=5)", "gaussian_dense(d=5, rho=0.5)"),
        ("asinh(base=gaussian(d=2), side='both')", "asinh(gaussian(d=2, mi=1))"),
        ("blobs(mi=10)", "blobs(size=16, mi=10)"),
    ],
)
def test_names_are_canonical(given_name, canonical):
    assert mibench.task(given_name).name == canonical
    assert mibench.task(canonical).name == canonical


@pytest.mark.parametrize(
    ("given_name", "canonical"), [("ksg()", "ksg"), ("ksg(3)", "ksg"), ("ksg(k=5)", "ksg(k=5)"), ("ae(kde())", "ae")]
)
def test_defaults_of_estimators_are_left_out(given_name, canonical):
    assert mibench.estimator(given_name).name == canonical


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("gausian", "did you mean gaussian"),
        ("gaussian(dd=2)", "no argument 'dd'; did you mean d"),
        ("gaussian(d=1000000000)", "d must be at most"),
        (f"gaussian(mi=1{'0' * 400})", "too large"),
        ("gaussian(d=0)", "d must be at least 1, got 0"),
        ("gaussian(d=True)", "d must be an integer, got True"),
        ("gaussian(d=2.5)", "d must be an integer, got 2.5"),
        ("gaussian(mi=-1)", "mi must be a finite number of nats, at least 0"),
        ("gaussian(mi='a')", "mi must be a finite number, got 'a'"),
        ("gaussian(1, 2, 3, 4, 5, 6, 7, 8)", "takes at most 7 arguments, got 8"),
        ("gaussian(1, d=2)", "d is given twice"),
        ("gaussian(mixing='haar')", "mixing must be 'orthogonal'"),
        ("gaussian_dense", "give either rho or mi"),
        ("gaussian_dense(rho=1)", "rho must be in [0, 1)"),
        ("gaussian_sparse(d=2, pairs=3)", "pairs must be between 1 and d=2"),
        ("asinh", "asinh needs base"),
        ("asinh(3)", "base must be a task"),
        ("asinh(ksg)", "no task 'ksg'"),
        ("spiral(gaussian(d=2))", "use side='x'"),
        ("spiral(blobs)", "must be a vector"),
        ("blobs(size=1)", "size must be at least 2"),
        ("blobs(sigma=0.01)", "sigma must be at least"),
    ],
)
def test_errors_name_the_argument_and_the_remedy(spec, says):
    with pytest.raises(SpecError) as caught:
        mibench.task(spec)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_law_is_the_same_however_its_class_was_reached():
    code = (
        "from mibench.tasks.gaussian import Gaussian\n"
        "law = Gaussian(d=4, mi=1.0, mixing='orthogonal')\n"
        "print(law, law.bases[0].tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    law = mibench.task("gaussian(d=4, mi=1, mixing='orthogonal')").distribution
    assert done.stdout == f"{law} {law.bases[0].tobytes().hex()}\n"
