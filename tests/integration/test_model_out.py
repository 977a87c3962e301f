"""From a device that trains with a real runtime to the files, answers and proofs that its owner uses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from edge_client import Model
from edge_client.adapters.hook import Hook
from edge_client.adapters.model_files import CURRENT_FILE, ModelFiles
from edge_client.adapters.publisher import Publisher
from edge_client.device_folder import CONFIG_FILE
from edge_client.litert.graph import TrainingGraph
from edge_client.litert.inference import take_apart
from edge_client.litert.ir import ModelError
from edge_client.protocol.join import Join
from edge_client.protocol.model import decode_model, to_float
from tests.model_life import WAIT_S, Life, samples
from tests.owned_device import edge_client, facts

ROUNDS = 6
X, Y = samples()


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """It has trained `ROUNDS` rounds and fetched the model of the next one."""
    folder = tmp_path_factory.mktemp("life")
    np.savez(folder / "data.npz", x=X, y=Y)
    one = Life(folder, f"npz:{folder / 'data.npz'}")
    for _ in range(ROUNDS):
        one.round()
    yield one
    one.disk.real.close()


def finish(publisher: Publisher) -> None:
    """Wait until everything that was offered is published."""
    thread = publisher._thread
    if thread is not None:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def export(life: Life, file: Path, *more: str) -> Result:
    return edge_client("export", "--state", life.state, "-o", file, *more)


def verify(life: Life, *files: Path) -> Result:
    return edge_client("verify-proof", *files, "--chain", life.chain.chain_id.hex(), "--json")


class TestExport:
    def test_the_latest_with_its_proof(self, life: Life, tmp_path: Path) -> None:
        file = tmp_path / "model.tflite"
        result = export(life, file)
        assert result.exit_code == 0, result.output
        assert f"round {ROUNDS + 1} starts from" in result.stdout
        found = facts(verify(life, file, tmp_path / "model.tflite.proof"))
        assert found["file"]["root"] == found["claims"][0]["root"] == life.newest().root.hex()
        assert take_apart(file.read_bytes(), life.manifest).model == life.chain.models[life.newest().root]
        proof = tmp_path / "model.tflite.proof"
        text = edge_client("verify-proof", file, proof, "--chain", life.chain.chain_id.hex()).stdout
        assert "is the chain's inference file and holds exactly the model" in text

    def test_an_older_round_and_the_best(self, life: Life, tmp_path: Path) -> None:
        kept = life.disk.real.models.all()
        assert [one.round for one in kept[:3]] == [ROUNDS, ROUNDS - 1, ROUNDS - 2]
        best = life.disk.real.models.best()
        assert best is not None
        for which, root in ((str(kept[1].round), kept[1].root), ("best", best.root)):
            file = tmp_path / f"{which}.tflite"
            assert export(life, file, "--round", which).exit_code == 0
            found = facts(verify(life, file, tmp_path / f"{which}.tflite.proof"))
            assert found["file"]["root"] == root.hex()

    @pytest.mark.parametrize("which", ["99", "newest", "-1"])
    def test_a_round_that_is_not_kept(self, life: Life, tmp_path: Path, which: str) -> None:
        result = export(life, tmp_path / "x", "--round", which)
        assert result.exit_code == 2
        kept = sorted({one.round for one in life.disk.real.models.all()} | {ROUNDS + 1})
        assert f"kept are those of {', '.join(map(str, kept))}" in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written(self, life: Life, tmp_path: Path) -> None:
        result = export(life, tmp_path / "none" / "x")
        assert result.exit_code == 2
        assert "cannot write" in result.stderr

    def test_before_anything_was_trained(self, tmp_path: Path) -> None:
        join = Join(("mqtt://127.0.0.1:1",), bytes(32)).text()
        assert (
            edge_client("init", "--join", join, "--state", tmp_path / "s", "--data", "npz:x").exit_code == 0
        )
        for more in ((), ("--round", "best")):
            result = edge_client("export", "--state", tmp_path / "s", "-o", tmp_path / "x", *more)
            assert result.exit_code == 2
            assert "no model is stored yet" in result.stderr


class TestVerifyingAFile:
    def test_one_changed_weight(self, life: Life, tmp_path: Path) -> None:
        file, proof = tmp_path / "m", tmp_path / "m.proof"
        export(life, file)
        data = bytearray(file.read_bytes())
        data[-1000] ^= 1
        file.write_bytes(data)
        result = verify(life, file, proof)
        assert result.exit_code == 2
        assert f"{file} is not the proven model" in result.stderr

    def test_the_proof_of_another_round(self, life: Life, tmp_path: Path) -> None:
        export(life, tmp_path / "a")
        export(life, tmp_path / "b", "--round", str(ROUNDS))
        result = verify(life, tmp_path / "a", tmp_path / "b.proof")
        assert result.exit_code == 2
        assert "another model than the proven one" in result.stderr

    def test_a_proof_of_something_else(self, life: Life, tmp_path: Path) -> None:
        export(life, tmp_path / "a")
        assert edge_client("prove", "balance", "--state", life.state, "-o", tmp_path / "b").exit_code == 0
        assert "not about a model" in verify(life, tmp_path / "a", tmp_path / "b").stderr

    def test_files_that_are_none(self, life: Life, tmp_path: Path) -> None:
        export(life, tmp_path / "a")
        (tmp_path / "empty").touch()
        (tmp_path / "graph").write_bytes(life.chain.graph)
        for name in ("empty", "graph", "missing"):
            result = verify(life, tmp_path / name, tmp_path / "a.proof")
            assert result.exit_code == 2
            assert result.stderr.count("\n") == 1
        assert verify(life, *[tmp_path / "a"] * 3).exit_code == 2


class TestPredict:
    @pytest.fixture
    def file(self, life: Life, tmp_path: Path) -> Path:
        export(life, tmp_path / "model.tflite")
        return tmp_path / "model.tflite"

    def test_three_lines_of_python(self, life: Life, file: Path) -> None:
        model = Model(file)
        found = model.predict(X[0])
        assert found.label == int(np.argmax(found.values))
        assert found.score == max(found.values)
        right = sum(model.predict(x).label == y for x, y in zip(X, Y, strict=True))
        assert right > 0.8 * len(X), "it has learned"
        np.testing.assert_allclose(model.outputs(X[:7]).sum(axis=1), 1, atol=1e-5)

    def test_it_says_what_the_training_graph_says(self, life: Life, file: Path) -> None:
        graph = TrainingGraph.open(life.chain.graph)
        vector = decode_model(life.chain.models[life.newest().root], life.manifest.parameter_count)
        parts = np.split(to_float(vector, life.manifest.frac_bits), np.cumsum(life.manifest.sizes)[:-1])
        graph.set_weights([p.reshape(t.dims) for p, t in zip(parts, life.manifest.tensors, strict=True)])
        expected = graph.infer(X[:10].astype(np.float32) / np.float32(255))
        np.testing.assert_allclose(Model(file).outputs(X[:10]), expected, atol=1e-5)

    def test_every_kind_of_file(self, life: Life, file: Path, tmp_path: Path) -> None:
        np.savez(tmp_path / "s.npz", x=X[:2])
        np.save(tmp_path / "s.npy", X[0])
        np.save(tmp_path / "both.npy", X[:2])
        lines = [",".join(map(str, row)) for row in X[:2].tolist()]
        (tmp_path / "s.csv").write_text("a,b,c,d,e,f,label\n" + "".join(f"{line},1\n" for line in lines))
        (tmp_path / "semicolons.csv").write_text((tmp_path / "s.csv").read_text().replace(",", ";"))
        (tmp_path / "s.pgm").write_bytes(b"P5 6 1 255\n" + X[0].tobytes())
        expected = [Model(file).predict(x).label for x in X[:2]]
        for name, count in (
            ("s.npz", 2),
            ("both.npy", 2),
            ("s.csv", 2),
            ("semicolons.csv", 2),
            ("s.npy", 1),
            ("s.pgm", 1),
        ):
            found = facts(edge_client("predict", tmp_path / name, "--model", file, "--json"))
            assert [one["class"] for one in found["predictions"]] == expected[:count], name
        assert "sample 1: class" in edge_client("predict", tmp_path / "s.npy", "--model", file).stdout

    def test_the_table_it_learns_from(self, life: Life, file: Path, tmp_path: Path) -> None:
        """Its time and label columns are no values of a sample, wherever they stand."""
        publisher = life.publisher()
        publisher.offer(life.newest())
        finish(publisher)
        config = life.state / CONFIG_FILE
        was = config.read_text()
        keys = 'time_column = "t"\nlabel_column = "l"'
        config.write_text(was.replace("# keep_samples", f"{keys}\n# keep_samples").replace("npz:", "csv:"))
        line = ",".join(map(str, X[0].tolist()))
        (tmp_path / "own.csv").write_text(f"t,l,a,b,c,d,e,f\n1795358502,1,{line}\n\n")
        own = edge_client("predict", tmp_path / "own.csv", "--state", life.state, "--json")
        config.write_text(was)
        (answer,) = facts(own)["predictions"]
        assert answer["class"] == Model.current(life.state).predict(X[0]).label
        assert edge_client("predict", tmp_path / "own.csv", "--model", file).exit_code == 2

    @pytest.mark.parametrize(
        ("name", "content", "sentence"),
        [
            ("x.npy", b"no array", "cannot read"),
            ("x.npz", b"no archive", "cannot read"),
            ("x.csv", b"1,2\n", "line 1 of"),
            ("x.csv", b"1,2,3,4,5,6,7,8\n", "has 8 columns, the model takes 6 values"),
            ("x.csv", b"1,2,3,4,5,6\nx,2,3,4,5,6\n", "line 2"),
            ("x.txt", b"", "'.txt' files are not read"),
        ],
    )
    def test_mistakes(self, file: Path, tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
        (tmp_path / name).write_bytes(content)
        result = edge_client("predict", tmp_path / name, "--model", file)
        assert result.exit_code == 2
        assert sentence in result.stderr
        assert result.stderr.count("\n") == 1

    def test_models_that_are_none(self, life: Life, tmp_path: Path) -> None:
        np.save(tmp_path / "s.npy", X[0])
        (tmp_path / "graph").write_bytes(life.chain.graph)
        (tmp_path / "empty").touch()
        for name in ("graph", "empty", "missing"):
            assert edge_client("predict", tmp_path / "s.npy", "--model", tmp_path / name).exit_code == 2
        assert edge_client("predict", tmp_path / "s.npy").exit_code == 2
        with pytest.raises(ModelError, match=r"'federated_weights' .* `edge-client export` makes files"):
            Model(tmp_path / "graph")
        with pytest.raises(AttributeError, match="no attribute 'Modle'"):
            exec("import edge_client; edge_client.Modle")


class TestCurrentModel:
    def test_the_link_leads_to_the_verified_model(self, life: Life, tmp_path: Path) -> None:
        publisher = life.publisher()
        publisher.offer(life.newest())
        finish(publisher)
        np.save(tmp_path / "s.npy", X[0])
        (life.state / CONFIG_FILE).write_text(
            (life.state / CONFIG_FILE)
            .read_text()
            .replace('# classes = ["no", "yes"]', 'classes = ["a", "b", "c"]')
        )
        found = facts(edge_client("predict", tmp_path / "s.npy", "--state", life.state, "--json"))
        (one,) = found["predictions"]
        assert one["name"] == "abc"[one["class"]]
        assert Model.current(life.state).predict(X[0]).label == one["class"]
        shown = facts(edge_client("status", "--state", life.state, "--json"))
        assert shown["current_model"] == str(life.state / CURRENT_FILE)
        assert shown["hold_out"]["round"] == ROUNDS
        assert shown["hold_out"]["accuracy_joined"] > shown["hold_out"]["accuracy_before_joining"]

    def test_a_reader_never_sees_half_a_file(self, life: Life, tmp_path: Path) -> None:
        """While the link moves between two models, whoever opens it finds one of both, whole."""
        files, stop, seen = ModelFiles(tmp_path), threading.Event(), set()
        whole = {bytes([n]) * 32: bytes([n]) * 50_000 for n in (1, 2)}

        def publish() -> None:
            while not stop.is_set():
                for root, data in whole.items():
                    files.publish(root, (data[:20_000], data[20_000:]))

        files.publish(bytes([2]) * 32, (whole[bytes([2]) * 32],))
        thread = threading.Thread(target=publish)
        thread.start()
        for _ in range(300):
            seen.add(files.current.read_bytes())
        stop.set()
        thread.join(WAIT_S)
        assert seen <= set(whole.values())
        assert len(list((tmp_path / "models").iterdir())) <= 2

    def test_a_file_that_cannot_be_finished_changes_nothing(self, tmp_path: Path) -> None:
        files = ModelFiles(tmp_path)
        files.publish(bytes([1]) * 32, (b"whole",))

        def broken() -> Iterator[bytes]:
            yield b"half"
            raise ModelError("the recipe lacks something")

        with pytest.raises(ModelError):
            files.publish(bytes([2]) * 32, broken())
        assert files.current.read_bytes() == b"whole"
        assert len(list((tmp_path / "models").iterdir())) == 1

    def test_files_that_are_not_needed_go(self, tmp_path: Path) -> None:
        files = ModelFiles(tmp_path)
        assert files.root() is None
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "half.tflite.1.new").touch()
        (tmp_path / f"{CURRENT_FILE}.1.new").symlink_to("nowhere")
        for number in range(5):
            files.publish(bytes([number]) * 32, (b"model",))
        assert files.root() == bytes([4]) * 32
        names = {path.name for path in (tmp_path / "models").iterdir()}
        assert {path.name for path in tmp_path.iterdir()} == {"models", CURRENT_FILE}
        assert names == {f"{bytes([number]).hex() * 32}.tflite" for number in (3, 4)}

    def test_a_hook_is_told(self, life: Life, tmp_path: Path) -> None:
        (life.state / CURRENT_FILE).unlink(missing_ok=True)
        said: list[str] = []
        command = ("sh", "-c", "echo $1 $2 $3 > $0", str(tmp_path / "told"), "{height}", "{round}", "{model}")
        publisher = life.publisher(Hook(command, life.state, said.append))
        newest = life.newest()
        publisher.offer(newest)
        finish(publisher)
        expected = f"{newest.height} {newest.round} {life.state / CURRENT_FILE}"
        assert (tmp_path / "told").read_text().strip() == expected
        (tmp_path / "told").unlink()
        publisher.offer(newest)
        finish(publisher)
        assert not (tmp_path / "told").exists(), "it is the current one already"
        assert said == []

    def test_a_graph_without_a_recipe_is_said_once(self, life: Life, tmp_path: Path) -> None:
        said: list[str] = []
        genesis = replace(life.chain.genesis, graph_root=life.newest().root)
        publisher = Publisher(
            life.disk.real.objects, ModelFiles(tmp_path), Hook((), tmp_path, print), said.append
        )
        for _ in range(2):
            publisher.offer(replace(life.newest(), genesis=genesis))
            finish(publisher)
        publisher.stop(WAIT_S)
        assert len(said) == 1
        assert "no current.tflite" in said[0]
