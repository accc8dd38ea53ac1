//! Whole random graphs: a row of small numbers that always decodes to a valid program.

mod instruction;

use crate::{Graph, Param, Params, RngKey, Var};
use instruction::{Instruction, decode};
use std::fmt;

/// The most operations that [`Genome::from_bytes`] reads.
const OPERATIONS: usize = 30;
/// Bytes to a gene, so that leaving one out does not change the others.
const STRIDE: usize = 4;
/// Values beyond this are scaled down, so that a program of any length stays within numbers of ordinary size.
const BOUND: f64 = 2.0;

/// Encodes one instruction of a [`Genome`]: any four bytes are one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Gene {
    /// Which operation, modulo how many there are; 0 is none at all, so that a gene can be shrunk away.
    pub operation: u8,
    /// The first operand, counted back from the latest value.
    pub a: u8,
    /// The second operand, counted back from the latest value. What does not fit the first is passed over.
    pub b: u8,
    /// Axes, indices and whatever else the operation needs.
    pub c: u8,
}

/// On one line, since a failing genome is printed with all its genes.
impl fmt::Debug for Gene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gene { operation, a, b, c } = self;
        write!(f, "Gene {{ operation: {operation}, a: {a}, b: {b}, c: {c} }}")
    }
}

/// Encodes a random graph as a row of instructions. **Any genome decodes to a valid program**: operands that do not fit
/// are passed over for others that do, an operation that nothing fits becomes another, values are kept within ±2 and 2⁶
/// elements, and operations with a kink stand only where their operands are away from it. Leaving genes out and making
/// their numbers smaller gives simpler programs, which is how [`strategy::genomes`](super::strategy::genomes) shrinks.
///
/// ```
/// use unspool_graph::check::{self, Gene, Genome};
///
/// let sigmoid_of_first = Gene { operation: 6, a: 0, b: 0, c: 0 };
/// let sum_with_itself = Gene { operation: 1, a: 0, b: 0, c: 0 };
/// let genome = Genome { leaves: vec![13], seed: 1, genes: vec![sigmoid_of_first, sum_with_itself] };
/// let program = genome.program();
/// assert_eq!(program.to_string(), "v0 = parameter [1]\nv1 = Sigmoid(v0)\nv2 = Add(v1, v1)\n");
/// check::parameters(program.params(), |graph| program.run(graph))?;
/// # Ok::<(), check::Failure>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Genome {
    /// The shapes of the parameters it begins with, of rank 0 to 3 with sizes from 1 to 3; one parameter if it is
    /// empty.
    pub leaves: Vec<u8>,
    /// The parameters' values follow from it.
    pub seed: u8,
    /// The instructions.
    pub genes: Vec<Gene>,
}

/// Holds what a [`Genome`] decodes to: parameters, and a valid function of them.
#[derive(Clone, Debug)]
pub struct Program {
    params: Params,
    leaves: Vec<Param>,
    steps: Vec<Step>,
}

/// An instruction and the power of two that its result is divided by.
#[derive(Clone, Debug)]
struct Step {
    instruction: Instruction,
    halvings: i32,
}

impl Genome {
    /// Reads any bytes as a genome of at most 30 instructions, for a fuzzer.
    pub fn from_bytes(bytes: &[u8]) -> Genome {
        let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let leaves = (0..=usize::from(at(0)) % 3).map(|i| at(1 + i)).collect();
        let genes = bytes.get(5..).unwrap_or(&[]).chunks(STRIDE).take(OPERATIONS);
        let gene = |g: &[u8]| {
            let at = |i: usize| g.get(i).copied().unwrap_or(0);
            Gene { operation: at(0), a: at(1), b: at(2), c: at(3) }
        };
        Genome { leaves, seed: at(4), genes: genes.map(gene).collect() }
    }

    /// Decodes it. Which operands fit is found by running the program in double precision on the way.
    pub fn program(&self) -> Program {
        let mut params = Params::seeded(u64::from(self.seed)).to_f64();
        let mut scope = params.scope("leaf");
        let codes = if self.leaves.is_empty() { &[0][..] } else { &self.leaves };
        let leaves: Vec<Param> = codes
            .iter()
            .enumerate()
            .map(|(i, &code)| {
                scope.add_sized(i.to_string(), &shape(code), |shape, draw| values(shape.elements(), draw))
            })
            .collect();
        let mut steps = vec![];
        let graph = Graph::new(&params);
        let mut known: Vec<Var<'_>> = leaves.iter().map(|&p| graph.param(p)).collect();
        for &gene in &self.genes {
            let Some(instruction) = decode(gene, &known) else { continue };
            let made = instruction.run(&graph, &known);
            let greatest = made.value().map_or(0.0, |v| v.to_f64().iter().fold(0.0, |m: f64, x| m.max(x.abs())));
            let halvings = if greatest > BOUND { (greatest / BOUND).log2().ceil() as i32 } else { 0 };
            let step = Step { instruction, halvings };
            known.push(step.scaled(made));
            steps.push(step);
        }
        Program { params, leaves, steps }
    }
}

impl Step {
    /// Exact in either precision, as it is a power of two.
    fn scaled<'g>(&self, made: Var<'g>) -> Var<'g> {
        if self.halvings == 0 { made } else { made * 2f64.powi(-self.halvings) }
    }
}

impl Program {
    /// Returns its parameters, in double precision; single precision holds their values exactly.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Runs it on a graph over its [parameters](Program::params) or a copy of them in either precision. The result is a
    /// row of the elements of all values that no other was made from.
    pub fn run<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        self.run_through(graph, |value| value)
    }

    /// Runs it as [`run`](Program::run) does, where every value, parameters first, passes through `each` before it is
    /// used.
    pub fn run_through<'g>(&self, graph: &'g Graph<'g>, mut each: impl FnMut(Var<'g>) -> Var<'g>) -> Var<'g> {
        let mut known: Vec<Var<'g>> = self.leaves.iter().map(|&p| each(graph.param(p))).collect();
        let mut used = vec![false; known.len() + self.steps.len()];
        for step in &self.steps {
            let made = step.scaled(step.instruction.run(graph, &known));
            step.instruction.operands().into_iter().for_each(|i| used[i] = true);
            known.push(each(made));
        }
        let loose = known.iter().zip(used).filter(|(_, used)| !used);
        let rows: Vec<Var<'g>> =
            loose.map(|(v, _)| v.reshape([v.known_shape().map_or(0, |shape| shape.elements())])).collect();
        graph.concat(&rows, 0)
    }
}

/// One line for each value.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, &p) in self.leaves.iter().enumerate() {
            writeln!(f, "v{i} = parameter {}", self.params.shape(p))?;
        }
        for (i, step) in (self.leaves.len()..).zip(&self.steps) {
            write!(f, "v{i} = {:?}", step.instruction)?;
            if step.halvings > 0 {
                write!(f, " / {}", 2f64.powi(step.halvings))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The lowest two bits are the rank, what is above them the sizes.
fn shape(code: u8) -> Vec<usize> {
    (0..code % 4).map(|axis| usize::from(code / 4) / 3usize.pow(u32::from(axis)) % 3 + 1).collect()
}

/// ±[0.25, 1.25), numbers that single precision holds too.
fn values(count: usize, draw: RngKey) -> Vec<f64> {
    let sign = |i: u64| if draw.bits(2 * i).is_multiple_of(2) { 1.0 } else { -1.0 };
    (0..count as u64).map(|i| f64::from((sign(i) * (0.25 + draw.uniform(2 * i + 1))) as f32)).collect()
}
