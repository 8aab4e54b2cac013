//! What expressions mean, and what is refused.
#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use grafolean_snmp_bot::{DivisionByZero, Expression, ExpressionError, fuzzing};
use proptest::prelude::*;
use tokio::time::Instant;

/// What the bot before answered: see the head of the file.
const REFERENCE: &str = include_str!("data/expression_vectors.txt");
/// What MathJS answers, made by a generator of random texts.
const MATHJS: &str = include_str!("data/mathjs_vectors.tsv");

/// Where MathJS is right and the reference was not, or where its answer was no number.
const CORRECTED: [(&str, Result<f64, &str>); 6] = [
    // Right to left.
    ("2 ^ 3 ^ 2", Ok(512.0)),
    // * and % bind alike, left to right.
    ("$1 * 3 % 7", Ok(6.0)),
    // A product without a sign.
    ("2 $1", Ok(200.0)),
    ("$1 $2", Ok(800.0)),
    // The reference made a pair of it, which is no number.
    ("1,2", Err("column 2: expected an operator or the end, found ,")),
    // Financial functions are gone.
    ("npv(0.1, [1,2,3])", Err("column 1: npv is not known")),
];

/// What the reference failed at, losing the whole device's values, and ours answers.
const MENDED: [(&str, f64); 29] = [
    ("-$1", -100.0),
    ("-5 + 3", -2.0),
    ("3 * -5", -15.0),
    ("$1 * -1", -100.0),
    ("$1 - -5", 105.0),
    ("$1 * 1e-3", 0.1),
    ("$1>$2", 1.0),
    ("$1>$2 ? 1 : 0", 1.0),
    ("$1 != 100 ? 1 : 0", 0.0),
    ("$1 > 50 ? $2 > 50 ? 1 : 2 : 3", 2.0),
    ("sgn($3)", -1.0),
    ("abs($3)", 3.5),
    ("log10($1)", 2.0),
    ("exp(1)", std::f64::consts::E),
    ("floor(2.5)", 2.0),
    ("ceil(2.5)", 3.0),
    ("not 1", 0.0),
    ("$1 and $2", 1.0),
    ("$1 or 0", 1.0),
    ("true", 1.0),
    ("+ 1", 1.0),
    ("-2 ^ 2", -4.0),
    // Not among the reference's vectors:
    ("log2($2)", 3.0),
    ("round(2.5)", 3.0),
    ("round(-2.5)", -3.0),
    ("round(1.005, 2)", 1.01),
    ("round(1250, -2)", 1300.0),
    ("0 < $2 < 10 and not (0 < $1 < 10)", 1.0),
    ("1/2 $1", 50.0),
];

/// `$1` to `$10` of the reference's vectors.
const VALUES: [f64; 10] = [100.0, 8.0, -3.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0];

fn compile(text: &str) -> Result<Expression, ExpressionError> {
    Expression::compile(text, 10)
}

fn eval(text: &str) -> Option<f64> {
    compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).eval(&VALUES)
}

fn error(text: &str) -> String {
    match compile(text) {
        Ok(expression) => panic!("{text} compiles, to {:?}", expression.eval(&VALUES)),
        Err(error) => error.to_string(),
    }
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
}

#[test]
fn what_the_reference_answers_is_answered_the_same_except_for_the_corrections() {
    let mut same = 0;
    for line in REFERENCE.lines().skip(1) {
        let (text, answer) = line.split_at(35);
        let text = text.trim_end();
        if CORRECTED.iter().any(|(corrected, _)| *corrected == text.trim()) {
            continue;
        }
        let answer = match answer {
            // Comparisons are 1 and 0.
            "True" => 1.0,
            "False" => 0.0,
            _ => match answer.parse() {
                Ok(number) => number,
                Err(_) => {
                    assert!(answer.contains("Error: "), "{line}");
                    continue;
                }
            },
        };
        let ours = eval(text).unwrap_or_else(|| panic!("{text} has no value"));
        assert!(is_near(ours, answer), "{text}: {ours} instead of {answer}");
        same += 1;
    }
    assert_eq!(same, 86);
}

#[test]
fn the_corrections_are_what_mathjs_answers() {
    for (text, expected) in CORRECTED {
        match expected {
            Ok(number) => assert_eq!(eval(text), Some(number), "{text}"),
            Err(message) => assert!(error(text).starts_with(message), "{}", error(text)),
        }
    }
    for (text, number) in MENDED {
        assert!(is_near(eval(text).unwrap(), number), "{text}: {:?}", eval(text));
    }
}

#[test]
fn what_the_reference_fails_at_and_no_mending_is_meant_is_an_error_or_no_value() {
    for text in ["$99", "foo", "1 +", "* 2", "$1 << 2", "0x10", "ln($1)"] {
        error(text);
    }
    for text in ["$1 % 0", "sqrt(0 - 1)", "log(0)"] {
        assert_eq!(eval(text), None, "{text}");
    }
}

#[test]
fn random_texts_mean_what_they_mean_to_mathjs() {
    let mut different = Vec::new();
    for line in MATHJS.lines().skip(1) {
        let (text, answer) = line.split_once('\t').unwrap();
        let ours = Expression::compile(text, 4).map(|expression| expression.eval(&[100.0, 8.0, -3.5, 0.25]));
        let same = match (answer, &ours) {
            ("error", ours) => ours.is_err(),
            ("none", ours) => *ours == Ok(None),
            (number, Ok(Some(ours))) => is_near(*ours, number.parse().unwrap()),
            _ => false,
        };
        if !same {
            different.push(format!("{text}: {ours:?} instead of {answer}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_division_by_zero_is_0_or_no_value_as_it_was_compiled() {
    let strict =
        |text| Expression::compile_with(text, 2, DivisionByZero::NoValue).unwrap().eval(&[100.0, 0.0]);
    for (text, default, no_value) in [
        ("$1 / $2", Some(0.0), None),
        ("$1 / $2 + 5", Some(5.0), None),
        ("div($1, $2)", Some(0.0), None),
        ("0 / 0", Some(0.0), None),
        // What is not chosen, or cannot decide, does no harm.
        ("$2 == 0 ? 7 : $1 / $2", Some(7.0), Some(7.0)),
        ("$2 != 0 and $1 / $2 > 5", Some(0.0), Some(0.0)),
        ("$1 / $2 > 5 and $2 != 0", Some(0.0), Some(0.0)),
        ("$2 == 0 or $1 / $2 > 5", Some(1.0), Some(1.0)),
        ("$1 / $2 > 5 ? 1 : 2", Some(2.0), None),
        ("not ($1 / $2)", Some(1.0), None),
    ] {
        assert_eq!(Expression::compile(text, 2).unwrap().eval(&[100.0, 0.0]), default, "{text}");
        assert_eq!(strict(text), no_value, "{text}");
    }
}

#[test]
fn there_is_no_value_when_one_is_missing_or_the_outcome_is_not_finite() {
    let values = |text: &str, values: &[f64]| Expression::compile(text, 2).unwrap().eval(values);
    assert_eq!(values("$1 + $2", &[1.0]), None);
    assert_eq!(values("$1", &[1.0]), Some(1.0));
    for text in
        ["$1 + 1", "$1 / 0", "max($1, 5)", "min(5, $1)", "pow($1, 0)", "1 ^ $1", "$1 == $1", "sgn($1)"]
    {
        assert_eq!(values(text, &[f64::NAN]), None, "{text}");
    }
    assert_eq!(values("$1 * 10", &[1e308]), None);
    assert_eq!(values("(0 - 8) ^ 0.5", &[]), None);
    assert_eq!(values("round(2, 0.5)", &[]), None);
    // 0, not -0.
    assert!(values("$1 * -1", &[0.0]).unwrap().is_sign_positive());
}

#[test]
fn an_error_says_where_and_what_was_expected() {
    for (text, message) in [
        ("1 +", "column 4: expected a number, a value such as $1, a function or (, found the end"),
        ("* 2", "column 1: expected a number, a value such as $1, a function or (, found *"),
        ("($1 + 2", "column 8: expected an operator or ), found the end"),
        ("$1 + 2)", "column 7: expected an operator or the end, found )"),
        ("2 3", "column 3: expected an operator or the end, found 3"),
        ("$1 ? 2", "column 7: expected an operator, or : and what holds otherwise, found the end"),
        ("$1 << 2", "column 5: expected a number, a value such as $1, a function or (, found <"),
        ("sqrt 4", "column 6: expected ( after the function's name, found 4"),
        ("pow(2)", "column 1: pow expects 2 arguments, found 1"),
        ("1 + max()", "column 5: max expects 1 or more arguments, found 0"),
        ("log(1, 2, 3)", "column 1: log expects 1 or 2 arguments, found 3"),
        ("max(1; 2)", "column 6: expected a number, a value such as $1, a function or an operator, found ;"),
        ("1 + ä", "column 5: expected a number, a value such as $1, a function or an operator, found ä"),
        ("$1 +\u{a0}$11", "column 6: $11 is none of the sensor's values: expected $1 to $10"),
        ("$0", "column 1: $0 is none of the sensor's values: expected $1 to $10"),
        ("$", "column 1: $ is none of the sensor's values: expected $1 to $10"),
        ("$1e", "column 1: $1e is none of the sensor's values: expected $1 to $10"),
        ("$01", "column 1: $01 is none of the sensor's values: expected $1 to $10"),
        ("1e999", "column 1: expected a number below 1.8e308, found 1e999"),
        ("2e-$1", "column 1: expected a number such as 2, 0.5 or 1e-3, found 2e-"),
        (".", "column 1: expected a number such as 2, 0.5 or 1e-3, found ."),
        ("$1(2)", "column 3: expected an operator or the end, found ("),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
    let unknown = error("1 + speed");
    assert!(unknown.starts_with("column 5: speed is not known: expected a number, $1, pi"), "{unknown}");
    assert!(unknown.ends_with("tan, trunc"), "{unknown}");
    assert_eq!(compile("1 + foo").unwrap_err().column(), Some(5));
    let none = Expression::compile("$1", 0).unwrap_err().to_string();
    assert_eq!(none, "column 1: $1 is none of the sensor's values: it has no OIDs");
}

#[test]
fn monstrous_texts_are_refused_at_once() {
    let long = format!("{}1", "1 + ".repeat(700));
    let begin = Instant::now();
    for (text, message) in [
        ("1".repeat(1 << 20), "1048576 bytes: an expression has at most 4096"),
        ("(".repeat(10_000), "10000 bytes: an expression has at most 4096"),
        ("(".repeat(4_000), "column 66: nested more than 64 deep"),
        ("-".repeat(4_000), "column 66: nested more than 64 deep"),
        (format!("{}2", "2^".repeat(2_000)), "column 131: nested more than 64 deep"),
        ("1?".repeat(2_000), "column 131: nested more than 64 deep"),
        ("abs(".repeat(1_000), "column 261: nested more than 64 deep"),
        (long, "column 2051: more than 1024 operations"),
        (format!("${}", "9".repeat(1_000)), "column 1: $999"),
    ] {
        let error = error(&text);
        assert!(error.starts_with(message), "{error}");
        assert!(error.len() < 200, "{error}");
    }
    // Some microseconds each; the rest is for slow machines.
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
}

#[test]
fn what_is_within_the_limits_compiles_and_is_answered() {
    let nested = format!("{}$1{}", "(".repeat(64), ")".repeat(64));
    assert_eq!(eval(&nested), Some(100.0));
    let sums = format!("{}$1{}", "1 + (".repeat(64), ")".repeat(64));
    assert_eq!(eval(&sums), Some(164.0));
    let wide = format!("max({}$1)", "1, ".repeat(500));
    assert_eq!(eval(&wide), Some(100.0));
    let chain = format!("{}1", "0 < ".repeat(200));
    assert_eq!(eval(&chain), Some(0.0));
}

#[test]
fn it_says_which_values_it_uses() {
    let expression = compile("$10 + $2 * $2 - max($1, 3)").unwrap();
    assert_eq!(expression.used(), [1, 2, 10]);
    assert_eq!(expression.highest_used(), Some(10));
    assert_eq!(compile("pi").unwrap().highest_used(), None);
}

/// An expression as a tree: the plain way to evaluate one.
#[derive(Clone, Debug)]
enum Tree {
    Number(f64),
    Value(usize),
    Prefix(&'static str, Box<Tree>),
    Infix(&'static str, Box<Tree>, Box<Tree>),
    Choice(Box<Tree>, Box<Tree>, Box<Tree>),
    Call(&'static str, Vec<Tree>),
}

/// From loose to tight; all but ^ go left to right.
const LEVELS: [&[&str]; 6] =
    [&["or"], &["and"], &["==", "!=", "<", "<=", ">", ">="], &["+", "-"], &["*", "/", "%"], &["^"]];
const COMPARISONS: usize = 3;
const PREFIX: usize = 6;
const POWER: usize = 7;

impl Tree {
    /// 0 for a choice, 1 to 5 for operators, 6 for prefixes, 7 for powers, 8 for what needs no parentheses.
    fn level(&self) -> usize {
        match self {
            Tree::Choice(..) => 0,
            Tree::Infix("^", ..) => POWER,
            Tree::Infix(sign, ..) => 1 + LEVELS.iter().position(|level| level.contains(sign)).unwrap(),
            Tree::Prefix(..) => PREFIX,
            _ => 8,
        }
    }

    /// Its text, with parentheses only where they are needed.
    fn text(&self) -> String {
        let within = |tree: &Tree, level: usize| {
            if tree.level() < level { format!("({})", tree.text()) } else { tree.text() }
        };
        match self {
            Tree::Number(number) => format!("{number:?}"),
            Tree::Value(n) => format!("${n}"),
            Tree::Prefix(sign, tree) => format!("{sign} {}", within(tree, PREFIX)),
            Tree::Infix("^", a, b) => format!("{}^{}", within(a, POWER + 1), within(b, PREFIX)),
            Tree::Infix(sign, a, b) => {
                // Comparisons would chain: both sides have their parentheses.
                let left = self.level() + usize::from(self.level() == COMPARISONS);
                format!("{} {sign} {}", within(a, left), within(b, self.level() + 1))
            }
            Tree::Choice(c, a, b) => format!("{} ? {} : {}", within(c, 1), a.text(), b.text()),
            Tree::Call(name, arguments) => {
                format!("{name}({})", arguments.iter().map(Tree::text).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn eval(&self, values: &[f64]) -> Option<f64> {
        let truth = |tree: &Tree| tree.eval(values).map(|number| number != 0.0);
        let number = |truth: bool| if truth { 1.0 } else { 0.0 };
        let result = match self {
            Tree::Number(number) => *number,
            Tree::Value(n) => *values.get(n - 1)?,
            Tree::Prefix("-", a) => -a.eval(values)?,
            Tree::Prefix("+", a) => a.eval(values)?,
            Tree::Prefix(_, a) => number(!truth(a)?),
            Tree::Choice(c, a, b) => if truth(c)? { a } else { b }.eval(values)?,
            Tree::Infix("and", a, b) => match (truth(a), truth(b)) {
                (Some(false), _) | (_, Some(false)) => 0.0,
                (a, b) => number(a? && b?),
            },
            Tree::Infix("or", a, b) => match (truth(a), truth(b)) {
                (Some(true), _) | (_, Some(true)) => 1.0,
                (a, b) => number(a? || b?),
            },
            Tree::Infix(sign, a, b) => {
                let (a, b) = (a.eval(values)?, b.eval(values)?);
                match *sign {
                    "==" => number(a == b),
                    "!=" => number(a != b),
                    "<" => number(a < b),
                    "<=" => number(a <= b),
                    ">" => number(a > b),
                    ">=" => number(a >= b),
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "/" if b == 0.0 => 0.0,
                    "/" => a / b,
                    "%" => a % b,
                    "^" => a.powf(b),
                    other => unreachable!("{other}"),
                }
            }
            Tree::Call(name, arguments) => {
                let a: Vec<f64> = arguments.iter().map(|tree| tree.eval(values)).collect::<Option<_>>()?;
                match *name {
                    "abs" => a[0].abs(),
                    "sqrt" => a[0].sqrt(),
                    "floor" => a[0].floor(),
                    "trunc" => a[0].trunc(),
                    "max" => a.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    "min" => a.iter().copied().fold(f64::INFINITY, f64::min),
                    other => unreachable!("{other}"),
                }
            }
        };
        // NaN is "no value" from where it comes up; infinity is one only as an outcome.
        (!result.is_nan()).then_some(result)
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let number = prop_oneof![Just(0.0), Just(1.0), Just(2.5), Just(1e-3), Just(1e300), 0.0..1e6];
    let leaf = prop_oneof![number.prop_map(Tree::Number), (1_usize..=4).prop_map(Tree::Value)];
    leaf.prop_recursive(6, 60, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new).boxed();
        let signs: Vec<&str> = LEVELS.concat();
        prop_oneof![
            (prop::sample::select(vec!["-", "+", "not"]), boxed.clone())
                .prop_map(|(sign, a)| Tree::Prefix(sign, a)),
            (prop::sample::select(signs), boxed.clone(), boxed.clone())
                .prop_map(|(sign, a, b)| Tree::Infix(sign, a, b)),
            (boxed.clone(), boxed.clone(), boxed).prop_map(|(c, a, b)| Tree::Choice(c, a, b)),
            (prop::sample::select(vec!["abs", "sqrt", "floor", "trunc"]), inner.clone())
                .prop_map(|(name, a)| Tree::Call(name, vec![a])),
            (prop::sample::select(vec!["max", "min"]), prop::collection::vec(inner, 1..5))
                .prop_map(|(name, arguments)| Tree::Call(name, arguments)),
        ]
    })
}

proptest! {
    #[test]
    fn an_expression_means_what_its_tree_means(
        tree in tree(),
        values in prop::collection::vec(prop_oneof![Just(0.0), Just(f64::NAN), -1e6..1e6], 3..=4),
    ) {
        let text = tree.text();
        let ours = Expression::compile(&text, 4).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let expected = tree.eval(&values).filter(|number| number.is_finite());
        prop_assert_eq!(ours.eval(&values), expected, "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), values: [f64; 3]) {
        fuzzing::expression(&text, &values);
    }

    #[test]
    fn no_sequence_of_tokens_makes_it_panic(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "$1", "$12", "$13", "$", "2", "1e-3", "2e", ".", "1_0", "(", ")", "[", "]", ",", "?", ":", "+", "-", "*",
            "/", "%", "^", "<", "<=", "==", "=", "!=", "and", "or", "not", "max", "max(", "log(", "ifElse(", "pi", "e",
            "x", " ", "ä", "\u{2003}",
        ]), 0..30),
        values: [f64; 3],
    ) {
        fuzzing::expression(&tokens.concat(), &values);
        fuzzing::expression(&tokens.join(" "), &values);
    }
}
