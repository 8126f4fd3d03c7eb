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
    _adaptive_avg_pool2d _adaptive_avg_pool2d_backward _conj _conj_physical _fft_c2c _fft_c2r _fft_r2c
    _linalg_det _linalg_slogdet _linalg_solve_ex _log_softmax _log_softmax_backward_data _neg_view
    _cdist_backward _cdist_forward _euclidean_dist _linalg_eigh _linalg_svd _prelu_kernel _prelu_kernel_backward
    _softmax _softmax_backward_data _to_copy _trilinear _unsafe_view _weight_norm_interface
    _weight_norm_interface_backward
    abs acos acosh addcdiv addcmul addmm addmv addr alias amax amin angle arange asinh asin as_strided
    atan atan2 atanh avg_pool1d avg_pool2d avg_pool3d
    baddbmm bitwise_not bmm bucketize.Tensor
    cat ceil celu clamp clone complex conj_physical constant_pad_nd convolution convolution_backward copysign.Tensor
    cos cosh cumprod cumsum
    detach diag_embed diagonal diagonal_backward diagonal_scatter digamma dot
    elu elu_backward embedding erf erfc erfinv exp exp2 expand expm1 eye fmax fmin
    fill.Scalar fill.Tensor flip floor floor_divide fmod.Scalar fmod.Tensor frac full full_like
    cholesky_solve col2im gather gelu gelu_backward glu glu_backward
    grid_sampler_2d grid_sampler_3d hardshrink hardshrink_backward
    hardsigmoid hardsigmoid_backward hardswish hardswish_backward hardtanh hardtanh_backward heaviside hypot
    huber_loss huber_loss_backward i0 igamma igammac im2col imag index_add index_copy index_select isfinite isinf isnan
    leaky_relu leaky_relu_backward lerp.Scalar lerp.Tensor lgamma lift_fresh lift_fresh_copy linalg_cholesky_ex
    kthvalue linalg_cross linalg_eig linalg_householder_product linalg_inv_ex linalg_lu linalg_lu_factor_ex
    linalg_matrix_exp linalg_lu_solve linalg_pinv.atol_rtol_tensor linalg_qr
    linalg_solve_triangular
    linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid_backward log_sigmoid_forward logaddexp
    logaddexp2 logcumsumexp logical_and logical_not logical_or logical_xor logit logit_backward logsumexp
    masked_scatter max maximum mean min minimum mish mish_backward mm mse_loss mse_loss_backward mv
    nan_to_num nansum native_group_norm native_group_norm_backward native_layer_norm native_layer_norm_backward
    native_batch_norm_backward
    neg new_full new_ones new_zeros
    ones ones_like
    permute polar polygamma prod
    real reciprocal reflection_pad1d relu repeat replication_pad1d
    resolve_conj resolve_neg reshape roll rot90 round rsqrt
    scalar_tensor scatter_add select_backward select_scatter sgn sigmoid sigmoid_backward sign signbit silu
    silu_backward sin sinc sinh slice_backward slice_scatter smooth_l1_loss smooth_l1_loss_backward softshrink
    softshrink_backward softplus
    softplus_backward special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1 special_entr special_erfcx special_i0e special_i1
    special_i1e special_log_ndtr special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0
    special_modified_bessel_k1 special_ndtri special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1
    special_spherical_bessel_j0 special_xlog1py special_zeta split_with_sizes sqrt square squeeze stack sum
    t take tan tanh tanh_backward threshold threshold_backward topk trace tril triu tril_indices triu_indices trunc
    unbind.int unfold unsqueeze upsample_linear1d
    view view_as_complex view_as_real
    xlogy.Tensor
    zeros zeros_like
"""

_OVERLOADS = """
    add.Tensor add.Scalar all all.dim any any.dim aminmax arange.start arange.start_step argmax argmin argsort
    bitwise_and.Tensor bitwise_or.Tensor bitwise_xor.Tensor
    clamp.Tensor clamp_max clamp_max.Tensor clamp_min clamp_min.Tensor cummax cummin
    div.Scalar div.Scalar_mode div.Tensor div.Tensor_mode
    eq.Scalar eq.Tensor expand_copy eye.m
    flatten.using_ints floor_divide.Scalar
    ge.Scalar ge.Tensor gt.Scalar gt.Tensor
    index.Tensor index_fill.int_Scalar index_fill.int_Tensor index_put
    le.Scalar le.Tensor lt.Scalar lt.Tensor logspace
    masked_fill.Scalar masked_fill.Tensor max.dim max.other mean.dim median median.dim min.dim min.other movedim.int
    mul.Scalar mul.Tensor _native_batch_norm_legit.no_stats
    ne.Scalar ne.Tensor norm.Scalar norm.ScalarOpt_dim norm.ScalarOpt_dim_dtype
    pow.Scalar pow.Tensor_Scalar pow.Tensor_Tensor prod.dim_int
    remainder.Scalar remainder.Tensor repeat_interleave.self_int round.decimals rsub.Scalar rsub.Tensor
    scatter.src scatter.value scatter_reduce.two searchsorted.Tensor select.int slice.Tensor sort sort.stable
    split.Tensor squeeze.dim squeeze.dims std.correction std_mean.correction sub.Scalar sub.Tensor sum.dim_IntList
    transpose.int
    var.correction var_mean.correction view.dtype
    where.Scalar where.ScalarOther where.ScalarSelf where.self
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
