"""The command that opens the app: its options at once, its login, its closed doors."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import launch
from explorer.images.decode import sample_images
from tests.serving import ROOT, served, status


def test_help_loads_nothing_heavy():
    """``--help`` must answer at once: no option needs torch or gradio to be explained."""
    script = (
        "import sys, launch; launch.parser().format_help();"
        "print([m for m in ('torch', 'gradio', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_names_every_option():
    done = subprocess.run(
        [sys.executable, "launch.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in ("--host", "--port", "--share", "--auth", "--model", "--device", "--data-dir", "--offline"):
        assert option in done.stdout


def test_a_public_link_gets_a_login_unless_told_otherwise():
    first, second = (launch.login(None, share=True, open_to_all=False) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first[1] != second[1], "a new password each time"
    assert len(first[1]) >= 12
    assert launch.login(None, share=True, open_to_all=True) is None
    assert launch.login(None, share=False, open_to_all=False) is None
    assert launch.login("ada:a:b", share=True, open_to_all=False) == ("ada", "a:b")


@pytest.mark.parametrize("given", ["ada", "ada:", ":secret", ""])
def test_a_login_that_is_none_is_refused(given, capsys):
    assert launch.main(["--auth", given]) == 2
    sentence = capsys.readouterr().err
    assert repr(given) in sentence
    assert "USER:PASS" in sentence


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with served(tmp_path_factory.mktemp("endpoints"), "--offline") as running:
        yield Client(running.url, verbose=False)


@pytest.fixture(scope="module")
def cheetah():
    return handle_file(str(sample_images()["Cheetah"]))


def test_endpoints_have_names_and_documented_parameters(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    expected = {"/models", "/layers", "/predict", "/activations", "/saliency", "/compare_classes"}
    assert expected <= set(named)
    assert all(re.fullmatch(r"/[a-z_]+", name) for name in named), "no event of the page itself is offered"
    names = [p["parameter_name"] for p in named["/activations"]["parameters"]]
    assert names == ["image", "model", "layer", "view", "number", "alpha"]


def test_endpoints_answer(client, cheetah):
    predictions = client.predict(cheetah, "efficientnet_lite0", 3, api_name="/predict")
    assert predictions[0]["label"] == "cheetah"
    assert len(predictions) == 3
    picture, facts = client.predict(
        cheetah, "efficientnet_lite0", "blocks.4", "pca", 0, 0.5, api_name="/activations"
    )
    assert Path(picture).stat().st_size > 1000
    assert facts["shape"] == [112, 14, 14]
    assert sum(facts["explained_variance"]) <= 1
    *pictures, facts = client.predict(
        cheetah, "efficientnet_lite0", "cheetah", "291", "grad_cam", 0.9, api_name="/compare_classes"
    )
    assert len({Path(p).read_bytes() for p in pictures}) == 3
    assert facts["limits"][0][0] == -facts["limits"][0][1]


@pytest.mark.parametrize(
    ("arguments", "endpoint", "words"),
    [
        (("efficientnet_lite0", "layr4", "pca", 0, 0.5), "/activations", ("layr4", "efficientnet_lite0")),
        (("efficientnet_lite0", "blocks.4", "pcb", 0, 0.5), "/activations", ("pcb", "pca")),
        (("efficientnet_lite0", "blocks.4", "channel", 112, 0.5), "/activations", ("112", "0 to 111")),
        (("efficientnet_lite0", "blocks.4", "pca", 0, 1.5), "/activations", ("1.5", "0 (image) to 1")),
        (("efficientnet_light", 3), "/predict", ("efficientnet_light", "efficientnet_lite0")),
        (("efficientnet_lite0", "1000", "gradient", "logit", 0.5), "/saliency", ("1000", "0 to 999")),
        (("efficientnet_lite0", "-1", "gradient", "logit", 0.5), "/saliency", ("-1", "0 to 999")),
        (("squeezenet1_1", 3), "/predict", ("squeezenet1_1-b8a52dc0.pth", "checkpoints")),
    ],
)
def test_bad_input_is_answered_with_value_rule_and_remedy(client, cheetah, arguments, endpoint, words):
    with pytest.raises(AppError) as caught:
        client.predict(cheetah, *arguments, api_name=endpoint)
    for word in words:
        assert word in str(caught.value)


def test_many_at_once_never_cross(client):
    """Five people, five pictures, many clicks at once: everybody gets the answer to their own."""

    def ask(own: Client, path: Path) -> list[dict]:
        return own.predict(handle_file(str(path)), "efficientnet_lite0", 1, api_name="/predict")

    def click_away(path: Path) -> list[list[dict]]:
        own = Client(client.src, verbose=False)
        return [ask(own, path) for _ in range(6)]

    pictures = list(sample_images().values())
    alone = [ask(client, path) for path in pictures]
    assert len({answer[0]["index"] for answer in alone}) == len(pictures)
    with ThreadPoolExecutor(len(pictures)) as pool:
        together = list(pool.map(click_away, pictures))
    assert together == [[answer] * 6 for answer in alone]


def test_a_server_file_cannot_be_named(client):
    """A client may send files; a path of the server in their place is refused before any handler runs."""
    here = {"path": str(sample_images()["Cheetah"]), "meta": {"_type": "gradio.FileData"}}
    number = next(d["id"] for d in client.config["dependencies"] if d["api_name"] == "predict")
    job = {"data": [here, "efficientnet_lite0", 3], "fn_index": number, "session_hash": "intruder"}
    assert status(client.src + "gradio_api/queue/join", json.dumps(job).encode()) == 200
    with urllib.request.urlopen(
        client.src + "gradio_api/queue/data?session_hash=intruder", timeout=20
    ) as answer:
        events = [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]
    completed = next(event for event in events if event["msg"] == "process_completed")
    assert completed["success"] is False
    assert "cheetah" not in json.dumps(completed["output"])


def test_what_is_said_of_a_public_link():
    assert launch.public_link("https://a.gradio.live", offline=False) == "Public link: https://a.gradio.live"
    assert "there is no connection" in launch.public_link(None, offline=False)


def test_shared_without_a_connection_goes_on_locally_behind_a_login(tmp_path):
    with served(tmp_path, "--share", "--offline") as running:
        for _ in range(600):
            if "password" in running.printed():
                break
            time.sleep(0.1)
        sentence = running.printed()
        assert "No public link could be made: it needs a connection, and --offline allows none." in sentence
        for trace in ("frpc", "share link", "huggingface"):  # of gradio's trying it all the same
            assert trace not in sentence
        user, password = re.search(r"Login: (\S+)\s+password: (\S+)", sentence).groups()
        assert status(running.url + "gradio_api/info") == 401
        assert status(running.url + "gradio_api/queue/join", b"{}") == 401
        client = Client(running.url, auth=(user, password), verbose=False)
        assert client.predict(api_name="/models")[0]["name"] == "resnet18"


def test_mcp_without_its_package_and_uploads_beyond_the_limit(tmp_path):
    """Both are said plainly, and the page goes on."""
    with served(tmp_path, "--offline", "--mcp", "--max-upload", "1") as running:
        if importlib.util.find_spec("mcp") is None:
            assert "pip install 'gradio[mcp]'" in running.printed()
        upload = running.url + "gradio_api/upload"
        assert httpx.post(upload, files={"files": ("a.png", bytes(500_000))}).status_code == 200
        assert httpx.post(upload, files={"files": ("b.png", bytes(1_500_000))}).status_code == 413
        assert status(running.url) == 200


def test_doors_that_gradio_leaves_open_are_closed(client):
    url = client.src
    assert status(url + "openapi.json") == 404
    assert status(url + "monitoring/summary") in (403, 404)
    assert status(url + "gradio_api/run/predict", b'{"data": []}') in (403, 404)
    assert status(url + "gradio_api/file=" + str(ROOT / "launch.py")) == 403
    assert status(url + "gradio_api/file=/etc/passwd") == 403
