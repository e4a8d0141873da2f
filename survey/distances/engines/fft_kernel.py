"""The loops of the engine `fft`, compiled: folding of blocks, and the pairs of a rectangle.

Numba compiles loops well, but it does not keep a tile of sums in registers. The two innermost
functions, `add_products` and `minimise`, are therefore written in LLVM's own language, with
vectors as wide as those of the processor. Numba compiles everything once for each kind of
processor, and keeps the result beside this file or in the cache folder of the user. It notices
changes in this file only, which is why all of it is here.

A *tile* is `ROWS` x `columns(dtype)` pairs of spectra, row after row. Arrays are flat, contiguous
and of one floating-point type, unless a shape is given; ``..._at`` is where the values begin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending
from numba.core import cgutils, types
from numba.core.registry import cpu_target

from survey.distances.compiled import compiled

intrinsic: Any = extending.intrinsic  # callers leave its first argument out

VECTORS = 2
"""Vectors in a row of a tile."""

LEFT_AHEAD, RIGHT_AHEAD = 40, 8
"""Steps after which numbers are used that are asked for now: the left ones come from far away."""

N_REAL = 2
"""Frequencies whose transform is real: the first and the last."""


def _geometry(features: str) -> tuple[int, int]:
    """Bytes of a vector, and rows of a tile, so that its sums nearly fill the registers."""
    present = set(features.split(","))
    if "+avx512f" in present:  # 32 registers of 64 bytes
        return 64, 14
    if "+avx" in present:  # 16 of 32 bytes
        return 32, 6
    return 16, 6


VECTOR_BYTES, ROWS = _geometry(cpu_target.target_context.codegen().magic_tuple()[2])


def lanes(dtype: str) -> int:
    """Numbers in a vector."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def columns(dtype: str) -> int:
    """Right spectra in a tile."""
    return VECTORS * lanes(dtype)


class _Vectors:
    """Instructions on vectors of one floating-point type.

    Parameters
    ----------
    context, builder
        As Numba gives them to an intrinsic.
    array_type : Array
        Numba's type of the arrays.
    """

    def __init__(self, context: Any, builder: Any, array_type: Any) -> None:
        self._context, self.builder = context, builder
        self.element = context.get_data_type(array_type.dtype)
        self.bytes = context.get_abi_sizeof(self.element)
        self.lanes = VECTOR_BYTES // self.bytes
        self.type = ir.VectorType(self.element, self.lanes)
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.bytes}"
        self._fmuladd = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self.type, [self.type] * 3), name
        )

    def data(self, array_type: Any, array: Any) -> Any:
        """Pointer to the first element of an array."""
        return self._context.make_array(array_type)(self._context, self.builder, array).data

    def place(self, pointer: Any, step: Any) -> Any:
        """Pointer to the element that is so many further on."""
        index = self.constant_index(step) if isinstance(step, int) else step
        return self.builder.gep(pointer, [index])

    def constant_index(self, value: int) -> Any:
        """An integer of the kind that counts elements."""
        return ir.Constant(self._context.get_value_type(types.intp), value)

    def constant(self, value: float) -> Any:
        """A vector of equal elements."""
        return ir.Constant(self.type, [value] * self.lanes)

    def load(self, pointer: Any) -> Any:
        """A vector from memory."""
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        return self.builder.load(pointer, align=self.bytes)

    def store(self, vector: Any, pointer: Any) -> None:
        """A vector to memory."""
        pointer = self.builder.bitcast(pointer, self.type.as_pointer())
        self.builder.store(vector, pointer, align=self.bytes)

    def spread(self, pointer: Any) -> Any:
        """A vector of which every element is the number at `pointer`."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(
            undefined, self.builder.load(pointer), ir.Constant(ir.IntType(32), 0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def prefetch(self, pointer: Any) -> None:
        """Ask for what is at `pointer`, which need not exist, to be brought into the cache."""
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        function = self.builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        to_read, keep, data = (ir.Constant(integer, code) for code in (0, 3, 1))
        self.builder.call(function, [self.builder.bitcast(pointer, byte), to_read, keep, data])

    def variable(self, initial: Any) -> Any:
        """A vector that changes in a loop; LLVM keeps it in a register."""
        slot = cgutils.alloca_once(self.builder, self.type)
        self.builder.store(initial, slot)
        return slot

    def accumulate(self, slot: Any, first: Any, second: Any) -> None:
        """Add a product to a variable."""
        total = self.builder.call(self._fmuladd, [first, second, self.builder.load(slot)])
        self.builder.store(total, slot)

    def minimum(self, first: Any, second: Any) -> Any:
        """The smaller of each two elements."""
        smaller = self.builder.fcmp_ordered("<", first, second)
        return self.builder.select(smaller, first, second)


@intrinsic
def add_products(  # type: ignore[no-untyped-def]
    typingctx, left, left_at, right, right_at, steps, source, source_at, target, target_at
):
    """``target = source + left.T @ right``, of one tile.

    Parameters
    ----------
    left, right : array
        (steps, ROWS) and (steps, columns) from `left_at` and `right_at` on.
    source, target : array
        (ROWS, columns) from `source_at` and `target_at` on.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = _Vectors(context, builder, left)
        a, a_at, b, b_at, count, c, c_at, d, d_at = arguments
        a, b = kind.place(kind.data(left, a), a_at), kind.place(kind.data(right, b), b_at)
        c, d = kind.place(kind.data(source, c), c_at), kind.place(kind.data(target, d), d_at)
        tile = [
            [(row * VECTORS + vector) * kind.lanes for vector in range(VECTORS)]
            for row in range(ROWS)
        ]
        sums = [[kind.variable(kind.load(kind.place(c, at))) for at in row] for row in tile]
        with cgutils.for_range(builder, count) as loop:
            here = kind.place(a, builder.mul(loop.index, kind.constant_index(ROWS)))
            there = kind.place(
                b, builder.mul(loop.index, kind.constant_index(VECTORS * kind.lanes))
            )
            kind.prefetch(kind.place(here, LEFT_AHEAD * ROWS))
            for vector in range(VECTORS):
                ahead = RIGHT_AHEAD * VECTORS + vector
                kind.prefetch(kind.place(there, ahead * kind.lanes))
            seconds = [kind.load(kind.place(there, v * kind.lanes)) for v in range(VECTORS)]
            for row in range(ROWS):
                first = kind.spread(kind.place(here, row))
                for total, second in zip(sums[row], seconds, strict=True):
                    kind.accumulate(total, first, second)
        for totals, places in zip(sums, tile, strict=True):
            for total, at in zip(totals, places, strict=True):
                kind.store(builder.load(total), kind.place(d, at))
        return context.get_dummy_value()

    arrays = left, right, source, target
    if not all(isinstance(array, types.Array) and array.dtype == left.dtype for array in arrays):
        return None
    at = types.intp
    return types.void(left, at, right, at, at, source, at, target, at), code


@intrinsic
def minimise(  # type: ignore[no-untyped-def]
    typingctx, lags, sums, sums_at, n_paired, even, odd, n_groups,
    left, left_at, right, right_at, results, results_at,
):  # fmt: skip
    """Inverse transform, law of cosines and minimum over all lags, for one vector of pairs.

    Lags are worked on in groups of ``len(lags)``, by size: the even part of the correlation
    belongs to s and -s alike, the odd part changes its sign. The last of the last group is the
    largest.

    Parameters
    ----------
    lags : tuple
        Only its length counts, which must be known to the compiler.
    sums : array
        Products summed over the blocks, a tile for each: the `N_REAL` frequencies that are real,
        then real and imaginary part of the `n_paired` others.
    even, odd : arrays (n_groups, N_REAL + n_paired, lags) and (n_groups, n_paired, lags)
        Inverse transform.
    left : array
        What is added for the left spectrum, (n_groups, lags, 2) from `left_at` on.
    right : array
        The same for the right spectra, (n_groups, lags, 2, columns).
    results : array
        Receives the minimum from `results_at` on, and a tile further on the minimum of the two
        largest lags less that of all others.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = _Vectors(context, builder, sums)
        _, s, s_at, paired, e, o, groups, lt, lt_at, rt, rt_at, to, to_at = arguments
        n_lags, width = len(lags), VECTORS * kind.lanes
        s = kind.place(kind.data(sums, s), s_at)
        e, o = kind.data(even, e), kind.data(odd, o)
        lt = kind.place(kind.data(left, lt), lt_at)
        rt = kind.place(kind.data(right, rt), rt_at)
        number = kind.constant_index
        real = number(N_REAL)
        planes = builder.add(real, paired)
        zero = kind.constant(0.0)
        inner = kind.variable(kind.constant(np.inf))
        last = kind.variable(kind.constant(np.inf))
        evens = [cgutils.alloca_once(builder, kind.type) for _ in range(n_lags)]
        odds = [cgutils.alloca_once(builder, kind.type) for _ in range(n_lags)]

        def at_plane(index: Any) -> Any:
            return kind.load(kind.place(s, builder.mul(index, number(ROWS * width))))

        with cgutils.for_range(builder, groups) as group:
            for slot in (*evens, *odds):
                builder.store(zero, slot)
            ge = kind.place(e, builder.mul(group.index, builder.mul(planes, number(n_lags))))
            go = kind.place(o, builder.mul(group.index, builder.mul(paired, number(n_lags))))
            with cgutils.for_range(builder, real) as loop:
                plane = at_plane(loop.index)
                here = kind.place(ge, builder.mul(loop.index, number(n_lags)))
                for lag in range(n_lags):
                    kind.accumulate(evens[lag], kind.spread(kind.place(here, lag)), plane)
            with cgutils.for_range(builder, paired) as loop:
                index = builder.add(real, builder.mul(loop.index, number(2)))
                first, second = at_plane(index), at_plane(builder.add(index, number(1)))
                here = kind.place(ge, builder.mul(builder.add(real, loop.index), number(n_lags)))
                there = kind.place(go, builder.mul(loop.index, number(n_lags)))
                for lag in range(n_lags):
                    kind.accumulate(evens[lag], kind.spread(kind.place(here, lag)), first)
                for lag in range(n_lags):
                    kind.accumulate(odds[lag], kind.spread(kind.place(there, lag)), second)
            gl = kind.place(lt, builder.mul(group.index, number(2 * n_lags)))
            gr = kind.place(rt, builder.mul(group.index, number(2 * n_lags * width)))
            for lag in range(n_lags):
                builder.store(kind.minimum(builder.load(inner), builder.load(last)), inner)
                both = []
                for sign, combine in enumerate((builder.fadd, builder.fsub)):
                    terms = builder.fadd(
                        kind.spread(kind.place(gl, 2 * lag + sign)),
                        kind.load(kind.place(gr, (2 * lag + sign) * width)),
                    )
                    parts = combine(builder.load(evens[lag]), builder.load(odds[lag]))
                    both.append(builder.fadd(parts, terms))
                builder.store(kind.minimum(*both), last)
        least = kind.minimum(builder.load(inner), builder.load(last))
        to = kind.place(kind.data(results, to), to_at)
        kind.store(least, to)
        margin = builder.fsub(builder.load(last), builder.load(inner))
        kind.store(margin, kind.place(to, ROWS * width))
        return context.get_dummy_value()

    arrays = sums, even, odd, left, right, results
    if not all(isinstance(array, types.Array) and array.dtype == sums.dtype for array in arrays):
        return None
    at = types.intp
    signature = types.void(lags, sums, at, at, even, odd, at, left, at, right, at, results, at)
    return signature, code


@compiled(nogil=True)
def transform(samples, start, step, cosines, sines, is_left, work, out):  # type: ignore[no-untyped-def]
    """Channels of every block: see `survey.distances.engines.fft`.

    Parameters
    ----------
    samples : array (samples, spectra)
    start, step : int
        First sample of the first block, and how far each begins after the one before it.
    cosines, sines : arrays (tiles of frequencies, half a block, ROWS)
        Of the first half of a block; the sines with their sign changed.
    is_left : bool
        Which three channels are wanted.
    work : array
        A tile of zeros, two tiles, and room for one block, (2, half a block, columns).
    out : array (tiles, frequencies, 3, blocks, members)
        Receives the channels.
    """
    n_tiles, n_frequencies, _, n_blocks, n_members = out.shape
    half = cosines.shape[1]
    size = len(work) // (3 * ROWS + 2 * half)
    tile = ROWS * size
    cosine_at, sine_at, even_at, odd_at = tile, 2 * tile, 3 * tile, 3 * tile + half * size
    cosines, sines = cosines.reshape(-1), sines.reshape(-1)
    n_columns = n_blocks * n_members
    channels = out.reshape(n_tiles, n_frequencies, 3, n_columns)
    for number in range(n_tiles):
        for begin in range(0, n_columns, size):
            n_here = min(size, n_columns - begin)
            # The part of every block that is even about its middle, and the odd part.
            column = begin
            while column < begin + n_here:
                block, member = column // n_members, column % n_members
                run = min(n_members - member, begin + n_here - column)
                first, of = start + block * step, number * n_members + member
                for k in range(half):
                    one = samples[first + k, of : of + run]
                    other = samples[first + 2 * half - 1 - k, of : of + run]
                    at = k * size + column - begin
                    even = work[even_at + at : even_at + at + run]
                    odd = work[odd_at + at : odd_at + at + run]
                    for i in range(run):
                        even[i] = one[i] + other[i]
                        odd[i] = one[i] - other[i]
                column += run
            for group in range(0, n_frequencies, ROWS):
                add_products(cosines, group * half, work, even_at, half, work, 0, work, cosine_at)
                add_products(sines, group * half, work, odd_at, half, work, 0, work, sine_at)
                for frequency in range(group, min(group + ROWS, n_frequencies)):
                    at = (frequency - group) * size
                    cosine = work[cosine_at + at : cosine_at + at + n_here]
                    sine = work[sine_at + at : sine_at + at + n_here]
                    one = channels[number, frequency, 0, begin : begin + n_here]
                    two = channels[number, frequency, 1, begin : begin + n_here]
                    three = channels[number, frequency, 2, begin : begin + n_here]
                    if is_left:
                        for i in range(n_here):
                            one[i], two[i], three[i] = cosine[i] - sine[i], sine[i], cosine[i]
                    else:
                        # Of the first and the last frequency, which stand together, no sum.
                        paired = 1 if frequency else 0
                        for i in range(n_here):
                            one[i], three[i] = cosine[i], sine[i] - cosine[i]
                            two[i] = sine[i] + paired * cosine[i]


@compiled(nogil=True)
def nearest_pairs(  # type: ignore[no-untyped-def]
    lags, left, right, left_terms, right_terms, even, odd, n_blocks, n_paired, n_groups,
    sums, results, first_row, first_column, is_square, out, outer_is_least,
):  # fmt: skip
    """Least distance over all lags, of each pair of a rectangle.

    Parameters
    ----------
    lags : tuple
        Of the number of lags in a group.
    left, right : arrays (tiles, 1 + n_paired, 3, blocks, ROWS) and (..., columns)
        Channels of all spectra; a place for the two real frequencies comes before the others.
    left_terms, right_terms, even, odd, n_paired, n_groups
        See `minimise`.
    sums : array (1 + N_REAL + 2 n_paired tiles)
        Workspace, of which the first tile is zero.
    results : array (2 tiles)
        Workspace.
    first_row, first_column : int
        Where the rectangle begins, multiples of ROWS and columns.
    is_square : bool
        Whether both sides are one set, of which pairs below the diagonal are not needed: tiles
        of such pairs alone are set to zero.
    out : array (rows, columns)
        Receives the distances.
    outer_is_least : bool array, like `out`
        Receives whether only the largest lag to either side attains them.
    """
    n_rows, n_columns = out.shape
    width = len(results) // (2 * ROWS)
    tile, lanes = ROWS * width, width // VECTORS
    per_left, per_right = n_blocks * ROWS, n_blocks * width
    n_terms = 2 * n_groups * len(lags)
    for j in range(0, n_columns, width):
        column, n_j = (first_column + j) // width, min(width, n_columns - j)
        for i in range(0, n_rows, ROWS):
            row, n_i = (first_row + i) // ROWS, min(ROWS, n_rows - i)
            if is_square and first_column + j + n_j <= first_row + i + 1:
                out[i : i + n_i, j : j + n_j] = 0
                outer_is_least[i : i + n_i, j : j + n_j] = False
                continue
            a, b = 3 * row * (1 + n_paired) * per_left, 3 * column * (1 + n_paired) * per_right
            to = tile
            add_products(left, a + 2 * per_left, right, b, n_blocks, sums, 0, sums, to)
            to += tile
            add_products(left, a + per_left, right, b + per_right, n_blocks, sums, 0, sums, to)
            for _ in range(n_paired):
                a, b, to = a + 3 * per_left, b + 3 * per_right, to + tile
                real, imaginary = to, to + tile
                add_products(left, a, right, b, n_blocks, sums, 0, sums, imaginary)
                add_products(
                    left, a + per_left, right, b + per_right, n_blocks, sums, imaginary, sums, real
                )
                add_products(
                    left, a + 2 * per_left, right, b + 2 * per_right, n_blocks,
                    sums, imaginary, sums, imaginary,
                )  # fmt: skip
                to = imaginary
            for k in range(n_i):
                for m in range(0, n_j, lanes):
                    place = k * width + m
                    minimise(
                        lags, sums, tile + place, n_paired, even, odd, n_groups,
                        left_terms, (row * ROWS + k) * n_terms,
                        right_terms, column * n_terms * width + m,
                        results, place,
                    )  # fmt: skip
                for m in range(n_j):
                    out[i + k, j + m] = results[k * width + m]
                    outer_is_least[i + k, j + m] = results[tile + k * width + m] < 0
