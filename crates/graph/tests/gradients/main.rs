//! Every operation's gradient is its finite differences' slope, and its forward-mode derivative is the adjoint of its
//! backward, over random shapes of rank 0 to 5, with axes of size 0 and 1 among them, over random values away from
//! kinks, as reversed, transposed and partial views too, and with any of its operands as a constant.
//!
//! An operation's case is a line. The last test reads the operations' source and fails where a public one has none
//! here.

/// Declares property tests, each over random cases.
macro_rules! cases {
    ($($name:ident: |$case:ident| $body:expr;)*) => {
        proptest! {
            #![proptest_config(unspool_graph::check::strategy::config(256))]
            $(#[test] fn $name($case in case()) { $body?; })*
        }
    };
}

/// Functions of one tensor: its values, and the function.
macro_rules! of_one {
    ($($name:ident: $values:ident, |$c:ident, $x:ident| $body:expr;)*) => {
        cases! { $($name: |$c| right(&[$c.$values(&$c.shape)], |_, x| { let $x = $c.thin(x[0]); $body });)* }
    };
}

/// Functions of two tensors of which either is the narrower one.
macro_rules! of_two {
    ($($name:ident: $first:expr, $second:expr, |$a:ident, $b:ident| $body:expr;)*) => {
        cases! { $($name: |c| {
            let (first, second): (crate::case::Values, crate::case::Values) = ($first, $second);
            let swapped = c.below("swap", 2) == 0;
            let (a, b) = if swapped { (c.narrow(), c.shape.clone()) } else { (c.shape.clone(), c.narrow()) };
            right(&[first(&c, &a), second(&c, &b)], |_, x| {
                let ($a, $b) = (x[0], x[1]);
                $body
            })?;
            right(&[first(&c, &c.shape), second(&c, &c.shape)], |_, x| {
                let ($a, $b) = (c.thin(x[0]), c.thin(x[1]));
                $body
            })
        };)* }
    };
}

mod case;
mod elementwise;
mod movement;
mod normaliser;
mod product;
mod reduction;

/// The source of all cases.
const CASES: [&str; 5] = [
    include_str!("elementwise.rs"),
    include_str!("movement.rs"),
    include_str!("normaliser.rs"),
    include_str!("product.rs"),
    include_str!("reduction.rs"),
];

#[test]
fn every_public_operation_has_a_case_here() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let cases: String = CASES.concat();
    let (mut seen, mut missing) = (0, vec![]);
    for file in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for signature in source.split("    pub fn ").skip(1) {
            let signature = signature.split('{').next().unwrap_or_default();
            let name = signature.split(['(', '<']).next().unwrap_or_default();
            // Those that give numbers out instead of nodes have no gradient.
            if signature.rsplit("->").next().is_some_and(|gives| gives.contains("Var<'g>")) {
                seen += 1;
                if !cases.contains(&format!(".{name}(")) {
                    missing.push(name.to_string());
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} operations were found in the source");
    assert!(missing.is_empty(), "no gradient case for {missing:?}");
}

/// `a + b` and its like are operations too: each has a case by its trait's name, in which the operator stands.
#[test]
fn every_operator_has_a_case_here() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops/arithmetic.rs");
    let source = std::fs::read_to_string(source).unwrap();
    // What the list of imports names: whatever of `std::ops` is implemented must be among it.
    let list = source.split_once("ops::{").and_then(|(_, rest)| rest.split_once('}')).unwrap().0;
    let signs = [("Add", "a + b"), ("Sub", "a - b"), ("Mul", "a * b"), ("Div", "a / b"), ("Neg", "-x")];
    for operator in list.split(',').map(str::trim) {
        let sign = signs.iter().find(|(name, _)| *name == operator);
        let (_, sign) = sign.unwrap_or_else(|| panic!("which sign stands for {operator}?"));
        let name = format!(" {}_is_right:", operator.to_lowercase());
        let case = CASES.concat().lines().find(|line| line.contains(&name)).map(str::to_string);
        assert!(case.is_some_and(|case| case.contains(sign)), "no gradient case for the operator {operator}");
    }
    let implemented = source.matches("operator!(").count() + source.matches("impl<'g> Neg for").count();
    assert_eq!(implemented, list.split(',').count(), "operators that the list does not name");
}
