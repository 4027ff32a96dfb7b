"""Writes the protobuf module of ``flightdeck/edge.proto``; ``--check`` says whether it is current.

protoc's output asks for a protobuf runtime at least as new as protoc itself. What we use of it has been the same since
protobuf 3.20, so that request is taken out: an agent's environment should not have to follow our tools.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

SOURCES = Path(__file__).parent
SOURCE = SOURCES / "flightdeck" / "edge.proto"
FOLDER = SOURCES.parent / "flightdeck" / "otel" / "receiver"
MODULE = FOLDER / "edge_pb2.py"
_RUNTIME_CHECK = re.compile(
    r"from google\.protobuf import runtime_version.*\n|_runtime_version\.ValidateProtobufRuntimeVersion\([^)]*\)\n"
    r"|# Protobuf Python Version: .*\n"
)


def compile_to(folder: Path) -> None:
    """Writes module, stub and descriptor to a folder."""
    arguments = [
        "protoc",
        f"--proto_path={SOURCES}",
        f"--python_out={folder}",
        f"--pyi_out={folder}",
        f"--descriptor_set_out={folder / 'edge.desc'}",
        str(SOURCE),
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc refused proto/flightdeck/edge.proto")


def declared() -> FileDescriptorProto:
    """What the source says now."""
    with tempfile.TemporaryDirectory() as name:
        compile_to(Path(name))
        declared = FileDescriptorSet.FromString((Path(name) / "edge.desc").read_bytes()).file[0]
    for message in declared.message_type:
        for field in message.field:
            field.ClearField("json_name")  # protoc writes the implied names out, the generated module does not
    return declared


def generated() -> FileDescriptorProto:
    """What the module in the package was made from."""
    module = _load()
    known = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(known)
    return known


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("edge_pb2", MODULE)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{MODULE} can't be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Writes or checks; exit code 1 if the module is stale.

    Checked is the descriptor, not the text: the text differs from one protoc to the next.
    """
    if "--check" in sys.argv:
        if declared() != generated():
            sys.stderr.write("stale: flightdeck/otel/receiver/edge_pb2.py; run: make generate\n")
            return 1
        return 0
    with tempfile.TemporaryDirectory() as name:
        compile_to(Path(name))
        for suffix in ("py", "pyi"):
            text = (Path(name) / "flightdeck" / f"edge_pb2.{suffix}").read_text(encoding="utf-8")
            (FOLDER / f"edge_pb2.{suffix}").write_text(_RUNTIME_CHECK.sub("", text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
