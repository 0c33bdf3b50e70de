"""Write the files."""

from tests.program.graphs import graph, path
from tests.program.programs import STACKS, program, without_layer

with without_layer():
    for stack in STACKS:
        path(stack).write_text(graph(program(stack)))
