"""The operators a graph may hold: pure tensor arithmetic and shape operators, found by exact name in this list only.

Nothing here reads or writes a file, draws a random number, changes its arguments, or belongs to another namespace
than ATen. What allocates by a given size (`full`, `expand`, `arange`, ...) is bounded by `_shapes.checked`, which
runs before anything is computed for a graph from a file.
"""

from __future__ import annotations

from functools import cache

import torch
from torch._ops import OpOverload

from pinndiag._errors import CheckpointError

__all__ = ["ALLOWED", "name_of", "resolve"]

_DEFAULT = """
    abs acos acosh _adaptive_avg_pool2d _adaptive_avg_pool2d_backward addcdiv addcmul addmm addmv addr alias amax
    amin angle arange as_strided asin asinh atan atan2 atanh avg_pool1d avg_pool2d avg_pool3d baddbmm bitwise_not
    bmm bucketize.Tensor cat _cdist_backward _cdist_forward ceil celu cholesky_solve clamp clone complex _conj
    _conj_physical conj_physical constant_pad_nd convolution convolution_backward copysign.Tensor cos cosh cumprod
    cumsum detach diag_embed diagonal diagonal_backward diagonal_scatter digamma dot elu elu_backward erf erfc
    erfinv exp exp2 expand expm1 eye _fft_c2c _fft_c2r _fft_r2c fill.Scalar fill.Tensor flip floor floor_divide fmax
    fmin fmod.Scalar fmod.Tensor frac full full_like gather gelu gelu_backward glu grid_sampler_3d hardshrink
    hardshrink_backward hardsigmoid hardsigmoid_backward hardswish hardswish_backward hardtanh hardtanh_backward
    heaviside huber_loss huber_loss_backward hypot i0 igamma igammac imag index_add index_copy index_select isfinite
    isinf isnan kthvalue leaky_relu leaky_relu_backward lerp.Scalar lerp.Tensor lgamma lift_fresh lift_fresh_copy
    linalg_cholesky_ex linalg_cross _linalg_det linalg_eig _linalg_eigh linalg_householder_product linalg_inv_ex
    linalg_lu linalg_lu_factor_ex linalg_lu_solve linalg_matrix_exp linalg_pinv.atol_rtol_tensor linalg_qr
    _linalg_slogdet _linalg_solve_ex linalg_solve_triangular _linalg_svd linalg_vector_norm linear linspace log
    log10 log1p log2 log_sigmoid_backward log_sigmoid_forward _log_softmax logaddexp logaddexp2 logcumsumexp
    logical_and logical_not logical_or logical_xor logit logit_backward logsumexp masked_scatter max maximum mean
    min minimum mish mish_backward mm mse_loss mse_loss_backward mv nan_to_num nansum native_batch_norm_backward
    native_layer_norm native_layer_norm_backward neg _neg_view new_full new_ones new_zeros ones ones_like permute
    polar polygamma _prelu_kernel prod real reciprocal reflection_pad1d relu repeat replication_pad1d reshape
    resolve_conj resolve_neg roll rot90 round rsqrt scalar_tensor scatter_add select_backward select_scatter sgn
    sigmoid sigmoid_backward sign signbit silu silu_backward sin sinc sinh slice_backward slice_scatter
    smooth_l1_loss smooth_l1_loss_backward _softmax softplus softplus_backward softshrink softshrink_backward
    special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1 special_entr
    special_erfcx special_i0e special_i1 special_i1e special_log_ndtr special_modified_bessel_i0
    special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1 special_ndtri
    special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 special_spherical_bessel_j0 special_xlog1py
    special_zeta split_with_sizes sqrt square squeeze stack sum t take tan tanh tanh_backward threshold
    threshold_backward _to_copy topk trace tril tril_indices _trilinear triu triu_indices trunc unbind.int unfold
    _unsafe_view unsqueeze view view_as_complex view_as_real _weight_norm_interface _weight_norm_interface_backward
    xlogy.Tensor zeros zeros_like
"""

_OVERLOADS = """
    add.Scalar add.Tensor all all.dim aminmax any any.dim arange.start arange.start_step argmax argmin argsort
    bitwise_and.Tensor bitwise_or.Tensor bitwise_xor.Tensor clamp.Tensor clamp_max clamp_max.Tensor clamp_min
    clamp_min.Tensor cummax cummin div.Scalar div.Scalar_mode div.Tensor div.Tensor_mode eq.Scalar eq.Tensor
    expand_copy eye.m flatten.using_ints floor_divide.Scalar ge.Scalar ge.Tensor gt.Scalar gt.Tensor index.Tensor
    index_fill.int_Scalar index_fill.int_Tensor index_put le.Scalar le.Tensor logspace lt.Scalar lt.Tensor
    masked_fill.Scalar masked_fill.Tensor max.dim max.other mean.dim median median.dim min.dim min.other movedim.int
    mul.Scalar mul.Tensor _native_batch_norm_legit.no_stats ne.Scalar ne.Tensor norm.Scalar norm.ScalarOpt_dim
    norm.ScalarOpt_dim_dtype pow.Scalar pow.Tensor_Scalar pow.Tensor_Tensor prod.dim_int remainder.Scalar
    remainder.Tensor repeat_interleave.self_int round.decimals rsub.Scalar rsub.Tensor scatter.src scatter.value
    scatter_reduce.two searchsorted.Tensor select.int slice.Tensor sort sort.stable split.Tensor squeeze.dim
    squeeze.dims std.correction std_mean.correction sub.Scalar sub.Tensor sum.dim_IntList transpose.int
    var.correction var_mean.correction view.dtype where.Scalar where.ScalarOther where.ScalarSelf where.self
    xlogy.Scalar_Other xlogy.Scalar_Self
"""


def _listed() -> frozenset[str]:
    names = set()
    for entry in (_DEFAULT + _OVERLOADS).split():
        packet, _, overload = entry.partition(".")
        found = getattr(torch.ops.aten, packet, None)  # older versions of torch lack some
        if found is not None and (overload or "default") in found.overloads():
            names.add(f"aten.{packet}.{overload or 'default'}")
    return frozenset(names)


ALLOWED: frozenset[str] = _listed()


def name_of(operator: OpOverload) -> str:
    """The name under which an operator stands in a graph, such as "aten.mul.Tensor"."""
    return str(operator)


@cache
def resolve(name: str) -> OpOverload:
    """The operator of that exact name.

    Raises:
        CheckpointError: the name is not on the list.
    """
    if name not in ALLOWED:
        raise CheckpointError(
            f"the graph asks for an operator that is not allowed: {name[:80]!r}",
            where="graph of the terms",
            cause="the file was not written by pinndiag, was changed, or was written by a newer version",
            fix="use a file from a source you trust, or write it again with this version",
        )
    _, packet, overload = name.split(".")
    operator: OpOverload = getattr(getattr(torch.ops.aten, packet), overload)
    return operator
