"""Pickles read as data: a machine that knows pickle's opcodes and calls nothing.

A pickle is a program. Python's own machine imports what the program names and calls it; this one only writes down what
would be called (`Call`), and turns the few calls that it has a rule for into plain values. Any other is an error.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from handsoff.generators.checkpoints.bounds import Bounded, Budget, RefusedError, one_sentence

MAX_KEY = 2**63  # whole numbers that may be keys: beyond it, their hashes can be made to collide


@dataclass(frozen=True)
class Symbol:
    """A class or function that the pickle names: `module.name`, never imported."""

    name: str


@dataclass(eq=False)
class Call:
    """An object under construction: what would be called with which arguments, and the state it is given afterwards."""

    name: str
    args: tuple[Any, ...]
    state: Any = None


def shown(value: Any) -> str:
    """A stranger's value for a message: short, on one line, and cheap however it is nested."""
    if not isinstance(value, str | bytes | int | float | Symbol | None):
        return f"a {type(value).__name__}"
    text = value.name if isinstance(value, Symbol) else value
    if isinstance(text, int) and abs(text) >= MAX_KEY:
        return "a huge number"
    return repr(text[:60] if isinstance(text, str | bytes) else text)


def is_key(value: Any) -> bool:
    """Whether its hash is cheap and cannot be made to collide: no tuples, no huge numbers."""
    if isinstance(value, int):
        return abs(value) < MAX_KEY
    return isinstance(value, str | bytes | float | Symbol | None)


Rule = Callable[..., Any]  # the arguments of the call → a value
PersistentRule = Callable[[Any], Any]
MARK = Symbol("")
HINTS = {
    "dnnlib.tflib.network.Network": "is a pickle of TensorFlow, to be converted with NVIDIA's legacy.py first",
}


class Machine:
    """One run over one pickle.

    Args:
        rules: name → function that gives the value of a call of it; any other name raises RefusedError.
        persistent: function that gives the value of a persistent id; None if the pickle must not have any.
        budget: what is left to spend on the file.
    """

    def __init__(self, rules: Mapping[str, Rule], persistent: PersistentRule | None, budget: Budget) -> None:
        self.rules, self.persistent, self.budget, self.where = rules, persistent, budget, budget.where
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, file: io.BufferedIOBase) -> Any:
        """The value of the next pickle in `file`; the file is left at the pickle's end.

        Raises:
            RefusedError: the pickle is damaged, or names something that has no rule.
        """
        bounded: Any = Bounded(file, self.budget)  # genops only calls read and readline
        with one_sentence(self.where):
            for opcode, argument, _ in pickletools.genops(bounded):
                if opcode.name == "STOP":
                    return self.stack.pop()
                self.budget.spend(steps=1)
                step = STEPS.get(opcode.name)
                if step is None:
                    self.push_literal(opcode.name, argument)
                else:
                    step(self, argument)
        return self.refuse("ends too early")

    def refuse(self, reason: str) -> NoReturn:
        raise RefusedError(
            f"{self.where} {reason}: only files with tensors and plain values are read, nothing in them is ever run."
        )

    # --- the stack

    def push_literal(self, opcode: str, argument: Any) -> None:
        if opcode not in LITERALS:
            self.refuse(f"uses the opcode {opcode}")
        self.stack.append(argument)

    def above_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        index = len(self.stack) - 1
        while self.stack[index] is not MARK:
            index -= 1
            if index < 0:
                raise IndexError("no mark")
        items = self.stack[index + 1 :]
        del self.stack[index:]
        return items

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    # --- what would be calls

    def global_(self, argument: str) -> None:
        self.stack.append(Symbol(argument.replace(" ", ".")))

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            self.refuse("names something by what is no name")
        self.stack.append(Symbol(f"{module}.{name}"))

    def call(self, function: Any, args: Any) -> None:
        if not isinstance(function, Symbol) or not isinstance(args, tuple):
            self.refuse("calls what is no function")
        if function.name not in self.rules:
            unknown = f"asks for {shown(function)}, which is not data"
            unknown = f"asks for {shown(function)}, which is not data"
            self.refuse(HINTS.get(function.name, unknown))
        self.stack.append(self.rules[function.name](*args))

    def reduce(self, _: Any) -> None:
        args = self.stack.pop()
        self.call(self.stack.pop(), args)

    def reduce_with_keywords(self, _: Any) -> None:
        keywords, args = self.stack.pop(), self.stack.pop()
        if keywords:
            self.refuse("calls something with keyword arguments")
        self.call(self.stack.pop(), args)

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, dict) and isinstance(state, dict):
            return  # a dict's own attributes, such as OrderedDict's: nothing to keep
        if not isinstance(target, Call):
            self.refuse("sets the state of what is no object")
        target.state = state

    def persist(self, identity: Any) -> None:
        if self.persistent is None:
            self.refuse("refers to data outside of it")
        self.stack.append(self.persistent(identity))

    # --- containers

    def dict_(self, _: Any) -> None:
        items = self.above_mark()
        self.stack.append({})
        self.update_last(items)

    def append(self, _: Any) -> None:
        value = self.stack.pop()
        self.extend_last([value])

    def extend(self, _: Any) -> None:
        items = self.above_mark()
        self.extend_last(items)

    def extend_last(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            self.refuse("appends to what is no list")
        target.extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.update_last([key, value])

    def set_items(self, _: Any) -> None:
        items = self.above_mark()
        self.update_last(items)

    def update_last(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            self.refuse("sets items of what is no dict")
        target.update(zip(map(self.key, items[::2]), items[1::2], strict=True))

    def add_items(self, _: Any) -> None:
        items = self.above_mark()
        target = self.stack[-1]
        if not isinstance(target, set):
            self.refuse("adds to what is no set")
        target.update(map(self.key, items))

    def key(self, value: Any) -> Any:
        if not is_key(value):
            self.refuse(f"has {shown(value)} as a key")
        return value

    def pop(self, count: int, make: Callable[[list[Any]], Any]) -> None:
        """Replace the last `count` values by what `make` makes of them."""
        if len(self.stack) < count or any(value is MARK for value in self.stack[-count:]):
            raise IndexError("too few values")
        items = self.stack[-count:]
        self.stack[-count:] = [make(items)]


LITERALS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
})  # fmt: skip

STEPS: dict[str, Callable[[Machine, Any], Any]] = {
    "PROTO": lambda _m, _: None,
    "FRAME": lambda _m, _: None,
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "MARK": lambda m, _: m.stack.append(MARK),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.above_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_SET": lambda m, _: m.stack.append(set()),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "LIST": lambda m, _: m.stack.append(m.above_mark()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.above_mark())),
    "FROZENSET": lambda m, _: m.stack.append(frozenset(map(m.key, m.above_mark()))),
    "DICT": Machine.dict_,
    "TUPLE1": lambda m, _: m.pop(1, tuple),
    "TUPLE2": lambda m, _: m.pop(2, tuple),
    "TUPLE3": lambda m, _: m.pop(3, tuple),
    "APPEND": Machine.append,
    "APPENDS": Machine.extend,
    "SETITEM": Machine.set_item,
    "SETITEMS": Machine.set_items,
    "ADDITEMS": Machine.add_items,
    "GLOBAL": Machine.global_,
    "STACK_GLOBAL": Machine.stack_global,
    "REDUCE": Machine.reduce,
    "NEWOBJ": Machine.reduce,  # a class called with its arguments
    "NEWOBJ_EX": Machine.reduce_with_keywords,
    "BUILD": Machine.build,
    "PERSID": Machine.persist,
    "BINPERSID": lambda m, _: m.persist(m.stack.pop()),
    "PUT": Machine.remember,
    "BINPUT": Machine.remember,
    "LONG_BINPUT": Machine.remember,
    "MEMOIZE": lambda m, _: m.remember(len(m.memo)),
    "GET": lambda m, index: m.stack.append(m.memo[index]),
    "BINGET": lambda m, index: m.stack.append(m.memo[index]),
    "LONG_BINGET": lambda m, index: m.stack.append(m.memo[index]),
}
