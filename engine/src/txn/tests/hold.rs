//! Which comparisons hold.

use super::*;

/// Each result: what it says where the field is less than, equal to, greater than the operand.
const RESULTS: [(CompareResult, [bool; 3]); 5] = [
    (CompareResult::Equal, [false, true, false]),
    (CompareResult::NotEqual, [true, false, true]),
    (CompareResult::Less, [true, false, false]),
    (CompareResult::Greater, [false, false, true]),
    (CompareResult::Always, [true, true, true]),
];

#[test]
fn a_field_is_compared_with_its_operand() {
    let world = World::new();
    let value = |text: &str| CompareOperand::Value(bytes(text));
    // b: version 2, created at 3, changed at 4, on lease 5, value o. The operand such that b is less, equal, greater.
    let present = [
        [CompareOperand::Version(3), CompareOperand::Version(2), CompareOperand::Version(1)],
        [CompareOperand::Create(4), CompareOperand::Create(3), CompareOperand::Create(2)],
        [CompareOperand::Mod(5), CompareOperand::Mod(4), CompareOperand::Mod(3)],
        [CompareOperand::Lease(6), CompareOperand::Lease(5), CompareOperand::Lease(-1)],
        [value("oo"), value("o"), value("")],
    ];
    // A missing key is 0 in every field.
    let missing = [
        [CompareOperand::Version(1), CompareOperand::Version(0), CompareOperand::Version(-1)],
        [CompareOperand::Create(1), CompareOperand::Create(0), CompareOperand::Create(-1)],
        [CompareOperand::Mod(1), CompareOperand::Mod(0), CompareOperand::Mod(-1)],
        [CompareOperand::Lease(1), CompareOperand::Lease(0), CompareOperand::Lease(-1)],
    ];
    for (result, expected) in RESULTS {
        for (key, rows) in [("b", &present[..]), ("zzz", &missing[..])] {
            for operands in rows {
                let found = operands.clone().map(|operand| world.succeeds(vec![holds(key, result, operand)]));
                assert_eq!(found, expected, "{key} {result:?} {operands:?}");
            }
        }
    }
}

#[test]
fn no_comparison_of_a_missing_value_holds() {
    let world = World::new();
    for (result, _) in RESULTS {
        for key in ["zzz", "x..z", "x..", "z..a"] {
            for value in ["", "o"] {
                let compare = holds(key, result, CompareOperand::Value(bytes(value)));
                assert!(!world.succeeds(vec![compare]), "{key} {result:?} {value}");
            }
        }
    }
}

#[test]
fn an_unknown_target_is_as_if_equal() {
    let world = World::new();
    for key in ["a", "zzz"] {
        let found =
            RESULTS.map(|(result, _)| world.succeeds(vec![holds(key, result, CompareOperand::Unknown)]));
        assert_eq!(found, [true, false, false, false, true], "{key}");
    }
}

#[test]
fn a_comparison_holds_for_every_key_of_its_range() {
    use CompareOperand::{Lease, Mod, Version};
    use CompareResult::{Equal, Greater, Less, NotEqual};
    let world = World::new();
    let value = |text: &str| CompareOperand::Value(bytes(text));
    let table = [
        ("a..", Greater, Version(0), true),
        ("a..", Equal, Version(1), false),
        ("a..b", Equal, Version(1), true),
        ("a..c", Less, Mod(5), true),
        ("a..", Less, Mod(5), false),
        ("a..c", NotEqual, Lease(0), false),
        ("b", NotEqual, Lease(0), true),
        ("a..", NotEqual, value("x"), true),
        ("a..", Equal, value("m"), false),
        // Nobody there: once against zeros.
        ("x..", Equal, Version(0), true),
        ("x..", Greater, Version(0), false),
        ("c..a", Equal, Mod(0), true),
    ];
    for (key, result, operand, expected) in table {
        assert_eq!(
            world.succeeds(vec![holds(key, result, operand.clone())]),
            expected,
            "{key} {result:?} {operand:?}"
        );
    }
    let yes = || holds("a", Equal, Version(1));
    let no = || holds("a", Equal, Version(9));
    assert!(world.succeeds(vec![]), "none is as if they held");
    assert!(world.succeeds(vec![yes(), yes()]));
    assert!(!world.succeeds(vec![yes(), no()]));
    assert!(!world.succeeds(vec![no(), yes()]));
}
