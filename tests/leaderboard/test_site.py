"""The HTML pages: what they hold, that nothing of a store runs in them, and how they are written."""

import csv
import io
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import plotly.graph_objects
import pytest

import mibench.estimation
from mibench import MibenchError
from mibench.leaderboard import build
from mibench.leaderboard.rounding import with_interval
from mibench.leaderboard.site import estimator_page, write_site
from mibench.leaderboard.site.bundles import GLOBAL, as_script
from mibench.leaderboard.site.folder import MARKER
from mibench.leaderboard.site.names import slug
from mibench.leaderboard.site.render import embedded

from .conftest import HOSTILE

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}


class Page(HTMLParser):
    """A page as a browser reads it: its elements, the text in each, and what is at their end."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.open = []
        self.feed(text)
        self.close()
        assert not self.open, "an element is not closed"

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "attributes": dict(attributes), "text": ""}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, **attributes):
        return [
            e
            for e in self.elements
            if e["tag"] == tag and all(e["attributes"].get(k) == v for k, v in attributes.items())
        ]


@pytest.fixture(scope="module")
def pages(site):
    return {file: Page(file.read_text("utf-8")) for file in sorted(site.rglob("*.html"))}


def strings(value):
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def test_there_is_a_page_for_every_task_and_estimator(site, hostile):
    for folder, column in (("tasks", "task"), ("estimators", "estimator")):
        names = {file.stem for file in (site / folder).glob("*.html")}
        assert names == {slug(name) for name in hostile[column].unique()}
    files = [file.relative_to(site).as_posix() for file in site.rglob("*") if file.is_file()]
    assert all(re.fullmatch(r"[a-z0-9./_-]+", name) for name in files), files
    assert len(set(map(str.lower, files))) == len(files)


def test_every_link_leads_somewhere_in_the_folder(site, pages):
    followed = 0
    for file, page in pages.items():
        for element in page.elements:
            for name in ("href", "src"):
                target = element["attributes"].get(name)
                if not target or target.startswith("data:"):
                    continue
                path, _, anchor = target.partition("#")
                there = (file.parent / unquote(path)).resolve() if path else file
                assert there.is_file(), (file, target)
                assert there.is_relative_to(site.resolve())
                if anchor:
                    assert any(e["attributes"].get("id") == anchor for e in pages[there].elements), (file, target)
                followed += 1
    assert followed > 200


def test_identities_are_unique_and_labels_point_at_something(pages):
    for page in pages.values():
        ids = [e["attributes"]["id"] for e in page.elements if "id" in e["attributes"]]
        assert len(set(ids)) == len(ids)
        for element in page.elements:
            for name in ("aria-labelledby", "aria-describedby", "for"):
                assert element["attributes"].get(name, ids[0]) in ids


def test_names_and_messages_are_text_and_nothing_else(pages):
    for file, page in pages.items():
        scripts = page.all("script")
        assert all(
            e["attributes"].get("src", "").count("assets/") or e["attributes"].get("type") == "application/json"
            for e in scripts
        )
        assert not [e for e in page.elements for name in e["attributes"] if name.startswith("on")], file
        assert all(re.fullmatch(r"h\d+", e["attributes"].get("class", "")) for e in page.all("i"))
        assert not [e for e in page.elements if "javascript:" in (e["attributes"].get("href") or "").lower()]
        assert file.read_text("utf-8").partition("</head>")[0].count("<title>") == 1
    for name in HOSTILE["estimators"]:
        (page,) = (page for file, page in pages.items() if file.stem == slug(name))
        assert page.all("h1")[0]["text"] == name
        assert name in page.all("title")[0]["text"]


def test_plots_show_names_as_they_are_and_are_figures_that_plotly_knows(pages):
    seen = 0
    for page in pages.values():
        for script in page.all("script", type="application/json"):
            assert not set("<>&\u2028\u2029") & set(script["text"])
            figure = json.loads(script["text"])
            for text in strings([figure["data"], figure["layout"], figure["narrow"]]):
                assert not re.sub(r"</?(b|br|sup|extra)>", "", text).count("<"), text
            coloured = json.loads(re.sub(r'"@\w+"', '"#123456"', script["text"]))
            plotly.graph_objects.Figure(coloured["data"], coloured["layout"])
            seen += 1
    assert seen > 15


def test_json_in_a_page_cannot_end_its_element():
    value = {"</script>": ["<!--", "a & b", "\u2028", float("nan"), float("inf"), pd.Series([1.5])[0]]}
    text = str(embedded(value))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"</script>": ["<!--", "a & b", "\u2028", None, None, 1.5]}


def test_a_policy_forbids_what_the_pages_do_not_need(pages):
    for page in pages.values():
        (policy,) = (
            e["attributes"]["content"]
            for e in page.all("meta")
            if e["attributes"].get("http-equiv") == "Content-Security-Policy"
        )
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == "'self' file:"
        assert "connect-src" not in rules


def test_headings_come_in_order_and_landmarks_are_there(pages):
    for file, page in pages.items():
        levels = [int(e["tag"][1]) for e in page.elements if re.fullmatch(r"h[1-6]", e["tag"])]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels)), (file, levels)
        assert [len(page.all(tag)) for tag in ("header", "main", "footer")] == [1, 1, 1]
        assert page.all("a", **{"class": "skip"})[0]["attributes"]["href"] == "#content"
        assert all(e["attributes"].get("scope") in ("col", "row") for e in page.all("th"))
        assert len(page.all("caption")) == len(page.all("table"))
        assert all(e["attributes"].get("aria-label") for e in page.elements if e["attributes"].get("role") == "img")


@dataclass
class Shown:
    """A table of a page: its captions, headers and rows of (text, order)."""

    headers: list = field(default_factory=list)
    rows: list = field(default_factory=list)


def tables(page):
    found, current = {}, None
    for element in page.elements:
        if element["tag"] == "table":
            current = found.setdefault(element["attributes"].get("id"), Shown())
        elif element["tag"] == "tr" and current is not None:
            current.rows.append([])
        elif element["tag"] in ("td", "th") and current is not None:
            if element["attributes"].get("scope") == "col":
                current.headers.append(element["text"].strip())
            else:
                current.rows[-1].append((element["text"].strip(), element["attributes"].get("data-order")))
    for table in found.values():
        table.rows = [row for row in table.rows if row]
    return found


def test_downloads_are_the_tables(site, pages):
    checked = 0
    for page in pages.values():
        for identity, table in tables(page).items():
            if identity is None:  # the hyperparameters
                continue
            rows = list(csv.reader(io.StringIO((site / "data" / f"{identity}.csv").read_text("utf-8"), newline="")))
            assert len(rows) - 1 == len(table.rows)
            latex = (site / "data" / f"{identity}.tex").read_text("utf-8")
            body = latex.split("\\midrule\n")[1].split("\\bottomrule")[0]
            assert len(re.findall(r"\\\\$", body, re.MULTILINE)) == len(table.rows)
            for row, fields in zip(table.rows, rows[1:], strict=True):
                numbers = {float(order) for _, order in row if is_number(order) and abs(float(order)) < 1e299}
                assert numbers <= {float(value) for value in fields if is_number(value)} | {0.0, 1.0}
            checked += 1
    assert checked > 25


def is_number(text):
    try:
        float(text)
    except (TypeError, ValueError):
        return False
    return True


def test_what_the_tables_say_is_what_the_board_says(site, pages, hostile):
    cells = build(hostile).cells
    task = HOSTILE["tasks"][0]
    own = cells[cells["task"] == task].set_index(["estimator", "n_samples"])
    (page,) = (page for file, page in pages.items() if file.stem == slug(task))
    table, family, growing = tables(page).values()
    assert growing.headers == ["estimator", "sizes", "rate", "bias grows"]
    assert {row[1][0] for row in family.rows} == set(HOSTILE["tasks"][:2])  # the same law at another MI
    at = {name: table.headers.index(name) for name in ("estimator", "n", "RMSE", "bias", "RMSE / oracle", "ok")}
    assert len(table.rows) == len(own)
    for row in table.rows:
        cell = own.loc[(row[at["estimator"]][0].replace("\n", " "), int(row[at["n"]][0]))]
        assert float(row[at["RMSE"]][1]) == cell["rmse"]
        assert float(row[at["bias"]][1]) == cell["bias"]
        assert row[at["ok"]][0] == f"{cell['ok']}/{cell['replicates']}"
        assert float(row[at["RMSE / oracle"]][1]) == cell["efficiency"]


def test_the_heat_map_says_in_words_what_failed_and_what_was_not_run(site, hostile):
    table = pd.read_csv(site / "data" / f"{slug('RMSE / RMSE of the oracle, n = 1000')}.csv", index_col="task")
    assert "oracle" not in table.columns
    first, second = HOSTILE["estimators"][:2]
    assert table.loc[HOSTILE["tasks"][2], first] == "failed"
    assert table.loc[HOSTILE["tasks"][3], second] == "skipped"
    assert table.loc[HOSTILE["tasks"][4], "ksg"] == "not run"
    assert float(table.loc[HOSTILE["tasks"][0], "ksg"]) > 1
    assert "†" in (site / "index.html").read_text("utf-8")


def test_what_is_not_installed_is_described_by_its_records(pages):
    for file, page in pages.items():
        text = "".join(e["text"] for e in page.all("main"))
        if file.stem in (slug("ring('a, b', w=2)"), slug("../../etc/passwd")):
            assert "not installed here" in text
        if file.stem in (slug("gaussian(d=1, mi=2)"), slug("ksg")):
            assert "not installed here" not in text
    (ring,) = (page for file, page in pages.items() if file.stem == slug("ring('a, b', w=2)"))
    assert "w=2" in ring.all("dd")[0]["text"]
    index = next(page for file, page in pages.items() if file.name == "index.html")
    assert "--plugin" in index.all("main")[0]["text"]


def test_a_known_task_has_its_law_its_truth_and_a_picture(site, pages):
    (page,) = (page for file, page in pages.items() if file.stem == slug("gaussian(d=1, mi=2)"))
    text = page.all("main")[0]["text"]
    for part in (
        "closed form",
        "standard normal",
        "Kraskov",
        "ln(1 − ρj²)",
        "gaussian(d=1, mi=1)",
        "draws other data",
    ):
        assert part in text
    (image,) = page.all("img")
    picture = (site / "tasks" / image["attributes"]["src"]).resolve().read_bytes()
    assert (picture[:4], picture[8:12]) == (b"RIFF", b"WEBP")


def test_an_estimator_has_its_hyperparameters_with_their_defaults(make, tmp_path):
    errors = {"gaussian(d=1, mi=1)": [0.1, 0.2], "gaussian(d=2, mi=1)": [0.3, 0.1]}
    frame = make({"ksg(k=5)": errors, "kl": errors, "oracle": errors})
    frame.loc[frame["estimator"] == "ksg(k=5)", "estimator_params"] = json.dumps({"k": 5, "variant": 1})
    write_site(build(frame), frame, tmp_path / "site")
    page = Page((tmp_path / "site" / "estimators" / f"{slug('ksg(k=5)')}.html").read_text("utf-8"))
    assert [[text for text, _ in row] for row in tables(page)[None].rows] == [["k", "5", "3"], ["variant", "1", "1"]]
    assert "another version of its code" in page.all("main")[0]["text"]
    by_tag = pd.read_csv(tmp_path / "site" / "data" / f"{slug('Strengths and weaknesses of ksg(k=5)')}.csv")
    assert by_tag.set_index("tag").loc["gaussian", ["tasks", "relative", "efficiency"]].tolist() == [2, 1, 1]


def test_no_estimator_is_run(hostile, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("an estimator was run")

    monkeypatch.setattr(mibench.estimation, "call_estimate", fail)
    for name in ("estimate", "estimate_batch", "warm_up"):
        monkeypatch.setattr(type(mibench.estimator("ksg").method), name, fail)
    write_site(build(hostile), hostile, tmp_path / "site")
    assert (tmp_path / "site" / "index.html").is_file()


def test_the_same_records_give_the_same_bytes(site, hostile, tmp_path):
    write_site(build(hostile), hostile, tmp_path / "again")
    first, second = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (site, tmp_path / "again")
    )
    assert first.keys() == second.keys()
    assert [name for name, content in first.items() if content != second[name]] == []


def test_the_libraries_are_there_once_and_little_else_takes_room(site):
    sizes = {file.relative_to(site).as_posix(): file.stat().st_size for file in site.rglob("*") if file.is_file()}
    libraries = [name for name in sizes if sizes[name] > 400_000]
    assert sorted(libraries) == ["assets/datatables.js", "assets/plotly.min.js"]
    assert sum(size for name, size in sizes.items() if name not in libraries) < 2_000_000


def words_of(command):
    """The words that a shell makes of a command."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    words = ["bash", "-c", f"printf '%s\\0' {command}"]
    printed = subprocess.run(words, capture_output=True, encoding="utf-8", check=True, env=environment)
    return printed.stdout.split("\0")[:-1]


def test_a_command_gives_hostile_names_to_the_program_and_not_to_the_shell(pages):
    (index,) = (page for file, page in pages.items() if file.name == "index.html")
    given = [words_of(e["text"]) for e in index.all("pre")]
    assert all(line.isprintable() for e in index.all("pre") for line in e["text"].splitlines())
    for name in (*HOSTILE["estimators"], *HOSTILE["tasks"]):
        assert any(name in word for words in given for word in words)


def test_every_command_that_reproduces_names_what_was_run(make, tmp_path):
    errors = {"gaussian(d=1, mi=1)": [0.1, 0.2], "margins(gumbel(d=1, mi=1), x='expon', y='norm')": [0.3, 0.1]}
    frame = make({"ksg": errors, "command('Rscript a.R {data}', format='csv')": errors})
    more = make({"ksg": {"gaussian(d=1, mi=1)": [0.1] * 5}}, n_samples=200, seed=3)
    both = pd.concat([frame, more], ignore_index=True)
    write_site(build(both), both, tmp_path / "site")
    page = Page((tmp_path / "site" / "index.html").read_text("utf-8"))
    commands = [words_of(e["text"]) for e in page.all("pre")]
    assert commands[-1] == ["mibench", "leaderboard", "--format", "html", "--output", "site/"]
    run = set()
    for words in commands[:-1]:
        assert words[:2] == ["mibench", "run"]
        options = dict(zip(words[2::2], words[3::2], strict=True))
        run |= {
            (task, estimator, int(n), int(options.get("--seed", 0)), int(options["--replicates"]))
            for task in mibench.spec.split_list(options["--task"])
            for estimator in mibench.spec.split_list(options["--estimator"])
            for n in options["--samples"].split(",")
        }
    cells = build(both).cells
    names = ["task", "estimator", "n_samples", "seed", "replicates"]
    assert run == set(cells[names].itertuples(index=False, name=None))


def test_what_the_statistics_tell_is_on_the_pages(make, tmp_path):
    tasks = [f"gaussian(d={d}, mi=1)" for d in (1, 2, 3)]
    rng = np.random.default_rng(0)
    frame = pd.concat([
        make({
            "oracle": {task: rng.normal(0, 0.1, 12) for task in tasks},
            "mine": {task: [*rng.normal(-0.1, 0.2, 11), None] for task in tasks},
            "ksg": {task: rng.normal(-0.1 - n / 10_000, 0.3, 12) for task in tasks},
            "kl": {task: rng.normal(3, 0.3, 12) for task in tasks},
        }, n_samples=n, seed=seed)
        for n in (1000, 8000) for seed in (0, 1)
    ])  # fmt: skip
    frame.loc[frame["estimator"] == "mine", "bound"] = "lower"
    board = build(frame)
    write_site(board, frame, tmp_path / "site")
    index, ksg, mine = (
        (tmp_path / "site" / page).read_text("utf-8")
        for page in ("index.html", f"estimators/{slug('ksg')}.html", f"estimators/{slug('mine')}.html")
    )
    difference = board.contests["critical_difference"].iloc[0]
    for words in ("P(best)", f"critical difference {difference:.2f}", "if failures were forgiven it would be mine"):
        assert words in index
    cell = board.cells[board.cells["estimator"] == "ksg"].iloc[0]
    efficiency = with_interval(cell["efficiency"], cell["efficiency_low"], cell["efficiency_high"])
    for words in (efficiency, "How the error falls with n", "Where the scatter comes from"):
        assert words in ksg
    assert "bound violated" in mine
    assert "bound violated" not in ksg


class TestFolder:
    def test_a_page_takes_the_place_of_an_earlier_one_and_leaves_what_is_a_readers(self, make, tmp_path):
        folder = tmp_path / "site"
        first = make({"ksg": {"a": [0.1, 0.2]}})
        write_site(build(first), first, folder)
        (folder / "CNAME").write_text("example.org")
        (folder / "tasks" / "mine.txt").write_text("mine")
        second = make({"ksg": {"b": [0.1, 0.2]}})
        write_site(build(second), second, folder)
        assert (folder / "CNAME").read_text() == "example.org"
        assert (folder / "tasks" / "mine.txt").read_text() == "mine"
        assert [file.stem for file in (folder / "tasks").glob("*.html")] == [slug("b")]
        assert sorted(each.name for each in tmp_path.iterdir()) == ["site"]

    @pytest.mark.parametrize("kind", ["file", "folder"])
    def test_what_is_not_ours_is_refused(self, make, tmp_path, kind):
        frame = make({"ksg": {"a": [0.1, 0.2]}})
        target = tmp_path / "thesis"
        if kind == "file":
            target.write_text("text")
        else:
            target.mkdir()
            (target / "thesis.tex").write_text("text")
        words = {"file": "is a file; the pages need a folder", "folder": "holds files that are no pages of mibench"}
        with pytest.raises(MibenchError, match=words[kind]):
            write_site(build(frame), frame, target)
        assert sorted(each.name for each in tmp_path.rglob("*")) == ["thesis", "thesis.tex"][: 1 + target.is_dir()]

    @pytest.mark.parametrize("earlier", [True, False])
    def test_an_interrupted_build_leaves_what_was_there(self, make, tmp_path, monkeypatch, earlier):
        frame = make({"ksg": {"a": [0.1, 0.2]}})
        folder = tmp_path / "site"
        if earlier:
            write_site(build(frame), frame, folder)
            (folder / "index.html").write_text("the earlier page")

        def interrupt(*args):
            raise KeyboardInterrupt

        monkeypatch.setattr(estimator_page, "write_all", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_site(build(frame), frame, folder)
        assert [each.name for each in tmp_path.iterdir()] == ["site"] * earlier
        assert not earlier or (folder / "index.html").read_text() == "the earlier page"

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_pages_that_cannot_be_put_in_place_leave_the_earlier_ones(self, make, tmp_path, monkeypatch, error):
        frame = make({"ksg": {"a": [0.1, 0.2]}})
        folder = tmp_path / "site"
        write_site(build(frame), frame, folder)
        rename = Path.rename

        def fail(self, target):
            if self.suffix == ".draft":
                raise error
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", fail)
        with pytest.raises((MibenchError, KeyboardInterrupt)) as raised:
            write_site(build(frame), frame, folder)
        assert not isinstance(error, OSError) or f"cannot write the folder {folder}: No space left" in str(raised.value)
        assert [each.name for each in tmp_path.iterdir()] == ["site"]
        assert (folder / "index.html").is_file()

    def test_an_empty_folder_and_one_whose_parents_are_missing_will_do(self, make, tmp_path):
        frame = make({"ksg": {"a": [0.1, 0.2]}})
        (tmp_path / "empty").mkdir()
        for folder in (tmp_path / "empty", tmp_path / "a" / "b"):
            write_site(build(frame), frame, folder)
            assert (folder / MARKER).is_file()


class TestBundle:
    def test_the_exports_of_a_module_are_in_one_object(self):
        script = as_script("var a=1,b=2;export{a as default,b,a as Other};\n/* a licence */\n")
        assert f"window.{GLOBAL}={{default:a,b:b,Other:a}}" in script
        assert "export" not in script

    @pytest.mark.parametrize(
        "module",
        [
            "var a=1;",
            "export{a};export{b};",
            "import x from 'y';export{x};",
            "export default 1;",
            "var a;export const b=1;",
        ],
    )
    def test_another_kind_of_module_is_refused(self, module):
        with pytest.raises(MibenchError, match="is not the module that mibench knows"):
            as_script(module)
