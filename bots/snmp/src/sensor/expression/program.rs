//! What an expression is compiled to: operations in postfix order, on a stack of numbers.
//!
//! NaN stands for "no value" and spreads: whatever is made of it is no value either, except where another operand
//! decides alone (`false and x`, the branch of a choice that is not taken).

/// One step. Operands are taken from the stack, the result is put there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Operation {
    Number(f64),
    /// The sensor's value at this position, from 0.
    Value(u32),

    Negate,
    Not,
    Abs,
    Ceil,
    Floor,
    Round,
    Trunc,
    Sign,
    Sqrt,
    Exp,
    Ln,
    Log2,
    Log10,
    Sin,
    Cos,
    Tan,

    Add,
    Subtract,
    Multiply,
    /// By 0 is 0.
    Divide,
    /// By 0 is no value.
    DivideStrictly,
    /// Of a truncating division, as in C: it has the sign of the dividend.
    Remainder,
    Power,
    Max,
    Min,
    /// Logarithm of a to the base b.
    Log,
    /// a rounded to b decimals.
    RoundTo,
    And,
    Or,
    Compare(Comparison),
    /// Compares a and b, and leaves b above the outcome: for the next link of a chain such as `0 < a < b`.
    CompareKeeping(Comparison),

    /// condition, a, b: a when the condition holds, else b.
    Choose,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operation {
    /// How many numbers it takes from the stack.
    pub(super) fn operands(self) -> usize {
        use Operation as Op;
        match self {
            Op::Number(_) | Op::Value(_) => 0,
            Op::Negate | Op::Not | Op::Abs | Op::Ceil | Op::Floor | Op::Round | Op::Trunc | Op::Sign => 1,
            Op::Sqrt | Op::Exp | Op::Ln | Op::Log2 | Op::Log10 | Op::Sin | Op::Cos | Op::Tan => 1,
            Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::DivideStrictly | Op::Remainder => 2,
            Op::Power | Op::Max | Op::Min | Op::Log | Op::RoundTo | Op::And | Op::Or => 2,
            Op::Compare(_) | Op::CompareKeeping(_) => 2,
            Op::Choose => 3,
        }
    }

    /// How many numbers it puts there.
    pub(super) fn results(self) -> usize {
        if matches!(self, Self::CompareKeeping(_)) { 2 } else { 1 }
    }
}

/// Runs a program. `stack` must have room for what [`needed_stack`] says, and the program must leave one number.
/// `by_zero` is set where a division by zero gave no value.
pub(super) fn run(program: &[Operation], values: &[f64], stack: &mut [f64], by_zero: &mut bool) -> f64 {
    use Operation as Op;
    let mut height = 0;
    for operation in program {
        // Replaces the operands on top by the result.
        macro_rules! apply {
            (|$a:ident| $result:expr) => {{
                let $a = stack[height - 1];
                stack[height - 1] = $result;
            }};
            (|$a:ident, $b:ident| $result:expr) => {{
                let ($a, $b) = (stack[height - 2], stack[height - 1]);
                height -= 1;
                stack[height - 1] = $result;
            }};
        }
        match *operation {
            Op::Number(number) => {
                stack[height] = number;
                height += 1;
            }
            Op::Value(slot) => {
                stack[height] = values.get(slot as usize).copied().unwrap_or(f64::NAN);
                height += 1;
            }
            Op::Add => apply!(|a, b| a + b),
            Op::Subtract => apply!(|a, b| a - b),
            Op::Multiply => apply!(|a, b| a * b),
            Op::Divide => apply!(|a, b| if b == 0.0 && !a.is_nan() { 0.0 } else { a / b }),
            Op::DivideStrictly => apply!(|a, b| if b == 0.0 {
                *by_zero = true;
                f64::NAN
            } else {
                a / b
            }),
            Op::Remainder => apply!(|a, b| a % b),
            Op::Power => apply!(|a, b| power(a, b)),
            Op::Max => apply!(|a, b| if a >= b || a.is_nan() { a } else { b }),
            Op::Min => apply!(|a, b| if a <= b || a.is_nan() { a } else { b }),
            Op::Log => apply!(|a, b| a.ln() / b.ln()),
            Op::RoundTo => apply!(|a, b| round_to(a, b)),
            Op::And => apply!(|a, b| and(a, b)),
            Op::Or => apply!(|a, b| not(and(not(a), not(b)))),
            Op::Compare(comparison) => apply!(|a, b| compare(comparison, a, b)),
            Op::CompareKeeping(comparison) => {
                stack[height - 2] = compare(comparison, stack[height - 2], stack[height - 1]);
            }
            Op::Negate => apply!(|a| -a),
            Op::Not => apply!(|a| not(a)),
            Op::Abs => apply!(|a| a.abs()),
            Op::Ceil => apply!(|a| a.ceil()),
            Op::Floor => apply!(|a| a.floor()),
            Op::Round => apply!(|a| a.round()), // halves away from zero
            Op::Trunc => apply!(|a| a.trunc()),
            Op::Sign => apply!(|a| if a == 0.0 || a.is_nan() { a } else { a.signum() }),
            Op::Sqrt => apply!(|a| a.sqrt()),
            Op::Exp => apply!(|a| a.exp()),
            Op::Ln => apply!(|a| a.ln()),
            Op::Log2 => apply!(|a| a.log2()),
            Op::Log10 => apply!(|a| a.log10()),
            Op::Sin => apply!(|a| a.sin()),
            Op::Cos => apply!(|a| a.cos()),
            Op::Tan => apply!(|a| a.tan()),
            Op::Choose => {
                let (condition, a, b) = (stack[height - 3], stack[height - 2], stack[height - 1]);
                height -= 2;
                stack[height - 1] = match truth(condition) {
                    Some(true) => a,
                    Some(false) => b,
                    None => f64::NAN,
                };
            }
        }
    }
    stack[0]
}

/// How high the stack gets.
pub(super) fn needed_stack(program: &[Operation]) -> usize {
    let (mut height, mut highest) = (0, 0);
    for operation in program {
        height = height - operation.operands() + operation.results();
        highest = highest.max(height);
    }
    highest
}

/// Whether a number holds as a condition. None when there is no number.
fn truth(condition: f64) -> Option<bool> {
    if condition.is_nan() { None } else { Some(condition != 0.0) }
}

fn number(truth: Option<bool>) -> f64 {
    truth.map_or(f64::NAN, |truth| f64::from(u8::from(truth)))
}

fn not(a: f64) -> f64 {
    number(truth(a).map(|truth| !truth))
}

/// False when one side is, whatever the other is: so a guard works, as in `$2 != 0 and $1 / $2 > 5`.
fn and(a: f64, b: f64) -> f64 {
    number(match (truth(a), truth(b)) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    })
}

#[expect(clippy::float_cmp, reason = "an expression that asks for equality gets it")]
fn compare(comparison: Comparison, a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    number(Some(match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => a < b,
        Comparison::LessOrEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterOrEqual => a >= b,
    }))
}

/// `powf`, but of "no value" comes no value: IEEE 754 has it that NaN^0 = 1 and 1^NaN = 1.
fn power(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.powf(b) }
}

/// Halves are rounded away from zero, and "half" is meant in decimals: 1.005 is a half of a hundredth, though the
/// nearest f64 is a little less.
fn round_to(number: f64, decimals: f64) -> f64 {
    /// As many decimals as an f64 has.
    const MAX_DECIMALS: f64 = 15.0;
    /// Below it the scaled number has digits to spare for the nudge.
    const MAX_NUDGED: f64 = 1e12;

    if decimals.fract() != 0.0 || decimals.is_nan() || decimals.abs() > MAX_DECIMALS {
        return f64::NAN;
    }
    if decimals == 0.0 {
        return number.round();
    }
    // A power of ten with a positive exponent is exact, one with a negative exponent is not.
    let scale = 10_f64.powf(decimals.abs());
    if decimals < 0.0 {
        return (number / scale).round() * scale;
    }
    let scaled = number * scale;
    if !scaled.is_finite() {
        return number; // so large that it has no decimals
    }
    let nudged = if scaled.abs() < MAX_NUDGED { scaled * (1.0 + f64::EPSILON) } else { scaled };
    nudged.round() / scale
}
