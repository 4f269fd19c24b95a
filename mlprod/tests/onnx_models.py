"""ONNX models that no exporter here writes: they read files, need foreign operators, never end or
take all memory.
"""

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    helper,
)

FIELDS = 6  # of tests/seams.py
SECRET = b'{"salt": "0123456789", "keys": []}'


def external(name: str = "w", size: int = 16) -> TensorProto:
    """A tensor whose bytes are those of keys.json in the working folder."""
    tensor = TensorProto(
        name=name, data_type=TensorProto.UINT8, dims=[size], data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", "keys.json"), ("offset", "0"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def attribute(name: str, **value: Any) -> AttributeProto:
    kind = next(iter(value))
    kinds = {
        "t": AttributeProto.TENSOR,
        "tensors": AttributeProto.TENSORS,
        "g": AttributeProto.GRAPH,
    }
    kinds |= {"graphs": AttributeProto.GRAPHS, "sparse_tensor": AttributeProto.SPARSE_TENSOR}
    kinds |= {"sparse_tensors": AttributeProto.SPARSE_TENSORS}
    return AttributeProto(name=name, type=kinds[kind], **value)


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *more: AttributeProto,
    domain: str = "",
) -> NodeProto:
    made = helper.make_node(operator, inputs, outputs, domain=domain)
    made.attribute.extend(more)
    return made


def graph(
    *nodes: NodeProto, initializers: Sequence[TensorProto] = (), outer: bool = False
) -> GraphProto:
    """A graph with the input and output of a model, or with the output `o` alone as the body of a
    node.
    """
    inputs = (
        [] if outer else [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, FIELDS])]
    )
    output = helper.make_tensor_value_info("o" if outer else "y", TensorProto.UINT8, None)
    return helper.make_graph(list(nodes), "g", inputs, [output], list(initializers))


def model(
    made: GraphProto, functions: Sequence[FunctionProto] = (), domains: Sequence[str] = ()
) -> ModelProto:
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(made, opset_imports=opsets, functions=list(functions), ir_version=9)


def constant(tensor: TensorProto, output: str = "y") -> NodeProto:
    return node("Constant", [], [output], attribute("value", t=tensor))


def reading_models() -> dict[str, ModelProto]:
    """Each place of a model in which a tensor with external data may stand."""
    copy, truth = (
        node("Identity", ["w"], ["y"]),
        helper.make_tensor("c", TensorProto.BOOL, [], [True]),
    )
    indices = helper.make_tensor("i", TensorProto.INT64, [4], [0, 1, 2, 3])
    sparse = SparseTensorProto(values=external(size=4), indices=indices, dims=[4])
    body = graph(constant(external(), "o"), outer=True)
    inner = graph(node("Identity", ["w"], ["o"]), initializers=[external()], outer=True)
    deep = graph(_if(body, "o", "c"), outer=True)
    calls = helper.make_function(
        "f", "F", [], ["q"], [constant(external(), "q")], [helper.make_opsetid("", 17)]
    )
    result = {
        "initializer": model(graph(copy, initializers=[external()])),
        "constant": model(graph(constant(external()))),
        "body of If": model(graph(_if(body, "y", "c"), initializers=[truth])),
        "initializer of a body": model(graph(_if(inner, "y", "c"), initializers=[truth])),
        "body of a body": model(graph(_if(deep, "y", "c"), initializers=[truth])),
        "body of Loop": model(
            graph(node("Loop", ["", "c"], ["y"], attribute("body", g=body)), initializers=[truth])
        ),
        "body of Scan": model(graph(node("Scan", ["x"], ["y"], attribute("body", g=body)))),
        "graphs of an attribute": model(
            graph(node("Any", [], ["y"], attribute("all", graphs=[body])))
        ),
        "tensors of an attribute": model(
            graph(node("Any", [], ["y"], attribute("all", tensors=[external()])))
        ),
        "sparse attribute": model(
            graph(node("Constant", [], ["y"], attribute("sparse_value", sparse_tensor=sparse)))
        ),
        "sparse attributes": model(
            graph(node("Any", [], ["y"], attribute("all", sparse_tensors=[sparse])))
        ),
        "function": model(graph(node("F", [], ["y"], domain="f")), [calls], ["f"]),
    }
    result["sparse initializer"] = model(graph(copy))
    result["sparse initializer"].graph.sparse_initializer.append(sparse)
    result["indices of a sparse initializer"] = model(graph(copy))
    result["indices of a sparse initializer"].graph.sparse_initializer.append(
        SparseTensorProto(values=indices, indices=external("i"), dims=[4])
    )
    result["training"] = model(graph(constant(indices)))
    result["training"].training_info.add().initialization.CopyFrom(graph(constant(external())))
    result["algorithm"] = model(graph(constant(indices)))
    result["algorithm"].training_info.add().algorithm.CopyFrom(
        graph(copy, initializers=[external()])
    )
    result["default of a function"] = model(graph(constant(indices)))
    function = result["default of a function"].functions.add(name="F")
    function.attribute_proto.append(attribute("value", t=external()))
    result["location without a place"] = model(graph(copy, initializers=[external()]))
    del result["location without a place"].graph.initializer[0].external_data[:]
    result["place without a location"] = model(graph(copy, initializers=[external()]))
    result["place without a location"].graph.initializer[0].data_location = TensorProto.DEFAULT
    return result


def foreign_models() -> dict[str, ModelProto]:
    """Each place of a model that may ask for operators of somebody's own."""
    plain, foreign = helper.make_tensor("p", TensorProto.UINT8, [1], [7]), "com.microsoft"
    call = node("EPContext", [], ["o"], domain=foreign)
    body = graph(call, outer=True)
    truth = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    standard = [helper.make_opsetid("", 17)]
    return {
        "node": model(graph(node("EPContext", [], ["y"], domain=foreign)), domains=[foreign]),
        "node of a body": model(graph(_if(body, "y", "c"), initializers=[truth])),
        "import": model(graph(constant(plain)), domains=[foreign]),
        "function": model(
            graph(constant(plain)), [helper.make_function("own", "F", [], ["o"], [], standard)]
        ),
        "node of a function": model(
            graph(constant(plain)), [helper.make_function("", "F", [], ["o"], [call], standard)]
        ),
    }


def endless() -> bytes:
    """Scores that come after 2**63 - 1 rounds of a loop."""
    shapeless = helper.make_tensor_value_info("v", TensorProto.FLOAT, None)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["again"]),
            helper.make_node("Identity", ["v"], ["w"]),
        ],
        "body",
        [helper.make_tensor_value_info("n", TensorProto.INT64, []), _truth("more"), shapeless],
        [_truth("again"), helper.make_tensor_value_info("w", TensorProto.FLOAT, None)],
    )
    rounds = helper.make_tensor("m", TensorProto.INT64, [], [2**63 - 1])
    start = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    nodes = [_sum("x", "s"), helper.make_node("Loop", ["m", "c", "s"], ["y"], body=body)]
    return _scoring(nodes, [rounds, start])


def hungry(megabytes: int) -> bytes:
    """A model of a few hundred bytes that fills so much memory when it scores."""
    shape = helper.make_tensor("n", TensorProto.INT64, [1], [megabytes * 250_000])
    one = helper.make_tensor("value", TensorProto.FLOAT, [1], [1.0])
    nodes = [
        helper.make_node("ConstantOfShape", ["n"], ["f"], value=one),
        helper.make_node("ReduceMax", ["f"], ["h"], keepdims=0),
        _sum("x", "s"),
        helper.make_node("Add", ["s", "h"], ["y"]),
    ]
    return _scoring(nodes, [shape])


def sums() -> bytes:
    """A model that anybody may load: the sum of the fields."""
    return _scoring([_sum("x", "y")], [])


def _if(body: GraphProto, output: str, condition: str) -> NodeProto:
    return node(
        "If",
        [condition],
        [output],
        attribute("then_branch", g=body),
        attribute("else_branch", g=body),
    )


def _truth(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.BOOL, [])


def _sum(name: str, output: str) -> NodeProto:
    return helper.make_node("ReduceSum", [name, "axes"], [output], keepdims=0)


def _scoring(nodes: Sequence[NodeProto], initializers: Sequence[TensorProto]) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, FIELDS])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    made = model(helper.make_graph(list(nodes), "g", [x], [y], [*initializers, axes]))
    return bytes(made.SerializeToString())
