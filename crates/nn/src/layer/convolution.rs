//! The convolutional layer for frames and pictures, with PyTorch's names, layouts and first values.

use crate::sizes::uniform_bound;
use unspool_graph::{Param, Scope, Var, init};

/// Computes a two-dimensional convolution. Parameters `weight [out channel, in channel, kernel height, kernel width]`
/// and `bias [out channel]`, uniform in ±1/√(in channel · kernel height · kernel width), as in PyTorch.
///
/// A film is `[batch, time, channel, height, width]`: leading axes are kept as they are.
///
/// More in [chapter 17](https://github.com/unspool/unspool/blob/main/docs/17-video.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::Conv2d;
/// let mut params = Params::seeded(0);
/// let conv = Conv2d::new(params.scope("conv"), 1, 16, [3, 3]).padding([1, 1]);
/// let graph = Graph::new(&params);
/// let film = graph.zeros([2, 5, 1, 28, 28]);
/// let features = conv.apply(film).relu().max_pool2d([2, 2], [2, 2]);
/// assert_eq!(*features.shape()?, [2, 5, 16, 14, 14]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    /// `[out channel, in channel, kernel height, kernel width]`.
    pub weight: Param,
    /// `[out channel]`, if there is one.
    pub bias: Option<Param>,
    stride: [usize; 2],
    padding: [usize; 2],
}

impl Conv2d {
    /// Adds a layer with a bias, stride 1 and no padding. `kernel` is `[rows, columns]`.
    pub fn new(mut scope: Scope<'_>, in_channels: usize, out_channels: usize, kernel: [usize; 2]) -> Conv2d {
        let (layer, bound) = Conv2d::weight_only(&mut scope, in_channels, out_channels, kernel);
        Conv2d { bias: Some(scope.add("bias", [out_channels], init::uniform(bound))), ..layer }
    }
    /// Adds a layer without a bias.
    pub fn without_bias(mut scope: Scope<'_>, in_channels: usize, out_channels: usize, kernel: [usize; 2]) -> Conv2d {
        Conv2d::weight_only(&mut scope, in_channels, out_channels, kernel).0
    }
    fn weight_only(
        scope: &mut Scope<'_>,
        in_channels: usize,
        out_channels: usize,
        [rows, columns]: [usize; 2],
    ) -> (Conv2d, f64) {
        let bound = uniform_bound(in_channels.saturating_mul(rows).saturating_mul(columns));
        let weight = scope.add("weight", [out_channels, in_channels, rows, columns], init::uniform(bound));
        (Conv2d { weight, bias: None, stride: [1, 1], padding: [0, 0] }, bound)
    }
    /// Sets the stride of the kernel, `[rows, columns]`.
    pub fn stride(mut self, stride: [usize; 2]) -> Conv2d {
        self.stride = stride;
        self
    }
    /// Sets the number of zeros on each side of a plane, `[rows, columns]`.
    pub fn padding(mut self, padding: [usize; 2]) -> Conv2d {
        self.padding = padding;
        self
    }
    /// Applies the layer: `[.., in channel, height, width] -> [.., out channel, height', width']`; see [`Var::conv2d`].
    #[track_caller]
    pub fn apply<'g>(&self, x: Var<'g>) -> Var<'g> {
        let _scope = x.graph().layer("conv2d");
        x.conv2d(self.weight, self.bias, self.stride, self.padding)
    }
}
