//! Expressions over a sensor's values: what `$1 / $2 * 100` is.
//!
//! The language is that of MathJS (its operators, their precedences, its names), as far as it is about numbers.
//! Texts that the bot's users wrote before keep their meaning, with these exceptions: `2^3^2` is 512 (was 64),
//! `100 * 3 % 7` is 6 (was 300), `round(2.5)` is 3 (was 2), `2 $1` is a product (the first factor was dropped),
//! comparisons give 1 and 0 (were True and False); `npv` and `irr` are gone.
//!
//! Where MathJS and the bot before differ otherwise, the bot's way stays: `=` compares like `==`, `x / 0` is 0,
//! `%` has the sign of its left side, comparisons are exact, `[x]` is `(x)`, digits may be grouped (`1_000`),
//! and a text of nothing is 0.

mod error;
mod function;
mod parser;
mod program;
mod token;

pub use error::ExpressionError;

use parser::Parser;
use program::{Operation, needed_stack, run};

/// The longest text. Sensors have some tens of characters.
const MAX_BYTES: usize = 4 * 1_024;
/// How deep parentheses and the like may stand within each other: it bounds the compiler's own stack.
const MAX_DEPTH: usize = 64;
/// The longest program, some microseconds' worth: it is run for each row of each walk.
const MAX_OPERATIONS: usize = 1_024;
/// The stack that nearly all programs can do with; to clear it costs next to nothing.
const SMALL_STACK: usize = 8;
/// As much as any program within the limits can need: no operation leaves more than one number more.
const LARGE_STACK: usize = MAX_OPERATIONS;

/// What a division by zero gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum DivisionByZero {
    /// 0, as Grafolean's users are used to: `$1 / 0 + 5` is 5.
    #[default]
    IsZero,
    /// No value.
    NoValue,
}

/// What an evaluation comes to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Outcome {
    Value(f64),
    /// It divides by zero, and the sensor says that there is no value then.
    Skipped,
    None,
}

/// A compiled expression.
///
/// ```
/// use grafolean_snmp_bot::Expression;
/// let used_percent = Expression::compile("$1 / $2 * 100", 2)?;
/// assert_eq!(used_percent.eval(&[1.0, 8.0]), Some(12.5));
/// assert_eq!(used_percent.eval(&[1.0, 0.0]), Some(0.0));
///
/// let no_number = Expression::compile("sqrt($1)", 1)?;
/// assert_eq!(no_number.eval(&[-1.0]), None);
///
/// let wrong = Expression::compile("$1 + $99", 2).unwrap_err();
/// assert_eq!(wrong.to_string(), "column 6: $99 is none of the sensor's values: expected $1 to $2");
/// # Ok::<(), grafolean_snmp_bot::ExpressionError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Expression {
    program: Box<[Operation]>,
    stack: usize,
    used: Box<[usize]>,
}

impl Expression {
    /// Compiles `text` for a sensor with so many OIDs, whose values are `$1` to `$oid_count`.
    ///
    /// # Errors
    /// When it is no expression, too large, or uses a value that the sensor does not have. The error says where,
    /// and what was expected there.
    pub fn compile(text: &str, oid_count: usize) -> Result<Self, ExpressionError> {
        Self::compile_with(text, oid_count, DivisionByZero::default())
    }

    /// Like [`compile`](Self::compile), with another outcome of a division by zero.
    ///
    /// ```
    /// use grafolean_snmp_bot::{DivisionByZero, Expression};
    /// let guarded = "$2 == 0 ? 100 : $1 / $2";
    /// let guarded = Expression::compile_with(guarded, 2, DivisionByZero::NoValue)?;
    /// assert_eq!(guarded.eval(&[1.0, 0.0]), Some(100.0));
    ///
    /// let plain = Expression::compile_with("$1 / $2", 2, DivisionByZero::NoValue)?;
    /// assert_eq!(plain.eval(&[1.0, 0.0]), None);
    /// # Ok::<(), grafolean_snmp_bot::ExpressionError>(())
    /// ```
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_with(
        text: &str,
        oid_count: usize,
        by_zero: DivisionByZero,
    ) -> Result<Self, ExpressionError> {
        if text.len() > MAX_BYTES {
            return Err(ExpressionError::TooLong { bytes: text.len() });
        }
        let tokens = token::tokens(text)?;
        let program = Parser::new(&tokens, oid_count, by_zero).program()?;
        let mut used: Vec<usize> = program
            .iter()
            .filter_map(|operation| match operation {
                Operation::Value(slot) => Some(*slot as usize + 1),
                _ => None,
            })
            .collect();
        used.sort_unstable();
        used.dedup();
        Ok(Self { stack: needed_stack(&program), program: program.into(), used: used.into() })
    }

    /// Its value, where `values[0]` is `$1`. None when there is none: the outcome is no finite number, or a value
    /// that it needs is missing or NaN. Allocates nothing.
    #[must_use]
    pub fn eval(&self, values: &[f64]) -> Option<f64> {
        if let Outcome::Value(value) = self.outcome(values) { Some(value) } else { None }
    }

    /// The same, and whether there is no value because the sensor wants none.
    pub(crate) fn outcome(&self, values: &[f64]) -> Outcome {
        let mut by_zero = false;
        let value = if self.stack <= SMALL_STACK {
            run(&self.program, values, &mut [0.0; SMALL_STACK], &mut by_zero)
        } else {
            run(&self.program, values, &mut [0.0; LARGE_STACK], &mut by_zero)
        };
        match value.is_finite() {
            // + 0.0 makes 0 of -0.
            true => Outcome::Value(value + 0.0),
            false if by_zero => Outcome::Skipped,
            false => Outcome::None,
        }
    }

    /// Which values it uses: 1 for `$1`; in order, each once.
    ///
    /// ```
    /// use grafolean_snmp_bot::Expression;
    /// assert_eq!(Expression::compile("($3 - $1) / $3", 3)?.used(), [1, 3]);
    /// # Ok::<(), grafolean_snmp_bot::ExpressionError>(())
    /// ```
    #[must_use]
    pub fn used(&self) -> &[usize] {
        &self.used
    }

    /// The highest of the values that it uses: 10 when it uses `$2` and `$10`.
    #[must_use]
    pub fn highest_used(&self) -> Option<usize> {
        self.used.last().copied()
    }
}
