from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto
from onnx_models import (
    SECRET,
    constant,
    external,
    foreign_models,
    graph,
    model,
    reading_models,
    sums,
)
from seams import PARCELS

from mlprod.bundle.errors import UnsafeModelError
from mlprod.bundle.onnx_check import (
    DATA_LOCATION,
    DOMAIN,
    EXTERNAL_DATA,
    MESSAGES,
    require_self_contained,
)
from mlprod.bundle.runtime import OnnxRuntime

READING, FOREIGN = reading_models(), foreign_models()


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message, of at most 127 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("place", READING)
def test_a_tensor_that_lies_in_another_file_is_refused_wherever_it_stands(place: str) -> None:
    with pytest.raises(UnsafeModelError, match=r"external data|domain 'f'"):
        OnnxRuntime(READING[place].SerializeToString(), PARCELS.fields)


@pytest.mark.parametrize("place", FOREIGN)
def test_an_operator_that_is_not_standard_is_refused_wherever_it_stands(place: str) -> None:
    with pytest.raises(UnsafeModelError, match=r"domain '(com\.microsoft|own)'"):
        OnnxRuntime(FOREIGN[place].SerializeToString(), PARCELS.fields)


@pytest.mark.parametrize(
    "place", ["initializer", "constant", "body of If", "function", "sparse initializer"]
)
def test_onnx_runtime_itself_reads_no_file_either(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime's own setting protects if the check ever misses a place.

    Without both it reads the file, as the last line shows.
    """
    (tmp_path / "keys.json").write_bytes(SECRET)
    monkeypatch.chdir(tmp_path)
    check = "mlprod.bundle.runtime.require_self_contained"
    monkeypatch.setattr(check, lambda _: None)
    content = READING[place].SerializeToString()
    with pytest.raises(Exception, match=r"(?i)external|should be stored in"):
        OnnxRuntime(content, PARCELS.fields)
    onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def test_settings_of_onnx_runtime_inside_a_model_are_refused() -> None:
    made = model(graph(constant(TensorProto(data_type=TensorProto.UINT8, dims=[1], raw_data=b"1"))))
    made.metadata_props.add(key="ort_config", value='{"session_options": {}}')
    with pytest.raises(UnsafeModelError, match="ort_config"):
        require_self_contained(made.SerializeToString())


@pytest.mark.parametrize("place", [b"", b"ai.onnx", b"ai.onnx.ml"])
def test_standard_operators_and_own_data_are_accepted(place: bytes) -> None:
    made = model(
        graph(constant(TensorProto(data_type=TensorProto.UINT8, dims=[3], raw_data=b"123")))
    )
    made.graph.node[0].domain = place.decode()
    made.metadata_props.add(key="author", value="ort_config")
    require_self_contained(made.SerializeToString())
    assert OnnxRuntime(sums(), PARCELS.fields).output == "y"


def test_the_table_has_every_message_that_can_hold_a_tensor_a_graph_or_a_domain() -> None:
    """A newer onnx with one more place fails this test, before a model with it passes."""
    longer = {"OperatorSetId": "OperatorSetIdProto", "Entry": "StringStringEntryProto"}
    proto = {name: getattr(onnx, longer.get(name, f"{name}Proto")).DESCRIPTOR for name in MESSAGES}
    checked = [proto[name] for name in ("Tensor", "OperatorSetId", "Node", "Function")]

    def leads(message: Any, seen: tuple[Any, ...] = ()) -> bool:
        """Return whether a message can hold one of the checked messages."""
        inner = [item.message_type for item in message.fields if item.message_type]
        return message in checked or any(
            leads(part, (*seen, message)) for part in inner if part not in seen
        )

    for message, descriptor in proto.items():
        leading = {
            e.number: e.message_type
            for e in descriptor.fields
            if e.message_type and leads(e.message_type)
        }
        known = {
            number: proto[name] for number, name in MESSAGES[message].items() if name != "Entry"
        }
        assert known == leading, message
        domains = [element.number for element in descriptor.fields if element.name == "domain"]
        assert message == "Model" or domains == ([DOMAIN[message]] if message in DOMAIN else [])
    numbers = {entry.name: entry.number for entry in proto["Tensor"].fields}
    assert (numbers["external_data"], numbers["data_location"]) == (EXTERNAL_DATA, DATA_LOCATION)


@pytest.mark.parametrize(
    "hidden",
    [
        external().SerializeToString()
        # For a parser the last location counts: here it is "default".
        + b"\x70\x00",
        field(8, b"w") + b"\x70\x81\x80\x80\x80\x80\x00",  # 1, written in six bytes
        field(8, b"w") + b"\xf0\x80\x00\x01",  # its tag in three bytes
        field(8, b"w")
        + b"\x70\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01",  # a number whose lower half is 1
    ],
)
def test_no_encoding_of_the_bytes_hides_external_data(hidden: bytes) -> None:
    with pytest.raises(UnsafeModelError, match="external data"):
        require_self_contained(field(7, field(5, hidden)))


@pytest.mark.parametrize(
    "attribute",
    [b"\x3d\x00\x00\x80\x3f", b"\x40\x05", b"\x40\x85\x80\x01", field(9, b"BRANCH_LEQ")],
)
def test_long_lists_of_an_attribute_do_not_hide_the_next_field(attribute: bytes) -> None:
    tensor = field(5, external().SerializeToString())
    for bulk in (attribute, attribute * 3):
        with pytest.raises(UnsafeModelError, match="external data"):
            require_self_contained(field(7, field(1, field(5, bulk + tensor))))
        require_self_contained(field(7, field(1, field(5, bulk))))


@pytest.mark.parametrize(
    "damaged",
    [
        b"not a model",
        b"\x3a",
        b"\x3a\x7f",
        b"\x3a\x05\x0a\x09",
        b"\x00\x00",
        b"\x3b\x3c",
        b"\x3f",
        b"\x38" + b"\xff" * 10,
    ],
)
def test_unreadable_bytes_are_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="not readable as ONNX"):
        require_self_contained(damaged)


@pytest.mark.parametrize("place", READING)
def test_external_data_are_refused_after_fields_of_any_length(place: str) -> None:
    """Offsets and lengths of more than a byte."""
    for size in (1, 200, 70_000):
        made = ModelProto()
        made.CopyFrom(READING[place])
        made.graph.initializer.insert(
            0, TensorProto(name="z", data_type=2, dims=[size], raw_data=b"0" * size)
        )
        with pytest.raises(UnsafeModelError, match=r"external data|domain 'f'"):
            require_self_contained(made.SerializeToString())
