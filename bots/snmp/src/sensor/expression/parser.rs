//! From tokens to a program: operator precedence after Pratt, with MathJS's precedences.
//!
//! | binds | operators | |
//! |---|---|---|
//! | loosest | `? :` | right to left |
//! | | `or` | |
//! | | `and` | |
//! | | `==` `=` `!=` `<` `<=` `>` `>=` | chained: `0 < $1 < 5` |
//! | | `+` `-` | |
//! | | `*` `/` `%` | |
//! | | a product without a sign: `2 $1` | |
//! | | a fraction before such a product: `1/2 $1` | |
//! | | `-` `+` `not` before an operand | |
//! | tightest | `^` | right to left |

use super::error::ExpressionError;
use super::function::{self, Function, Meaning};
use super::program::{Comparison, Operation};
use super::token::{Kind, Token};
use super::{DivisionByZero, MAX_DEPTH, MAX_OPERATIONS};

/// How tightly an operator binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Choice,
    Or,
    And,
    Comparison,
    Sum,
    Product,
    UnsignedProduct,
    Fraction,
    Prefix,
    Power,
}

impl Binding {
    /// What the right operand of a left-to-right operator may hold.
    fn next(self) -> Self {
        match self {
            Self::Choice => Self::Or,
            Self::Or => Self::And,
            Self::And => Self::Comparison,
            Self::Comparison => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product => Self::UnsignedProduct,
            Self::UnsignedProduct => Self::Fraction,
            Self::Fraction => Self::Prefix,
            Self::Prefix | Self::Power => Self::Power,
        }
    }
}

/// What the operand just read looks like: it decides whether the next one may follow without a sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `2`
    Number,
    /// `-2`
    SignedNumber,
    /// Made by an operator: no number may follow it without a sign.
    Operator,
    /// A value, a constant, a call, or something in parentheses.
    Atom,
}

const OPERAND: &str = "a number, a value such as $1, a function or (";
const OPERATOR: &str = "an operator or the end";

/// The parser, and the program as far as it is written.
pub(super) struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    depth: usize,
    oid_count: usize,
    divide: Operation,
    program: Vec<Operation>,
}

impl<'a> Parser<'a> {
    /// `tokens` ends with [`Kind::End`].
    pub(super) fn new(tokens: &'a [Token<'a>], oid_count: usize, by_zero: DivisionByZero) -> Self {
        let divide = match by_zero {
            DivisionByZero::IsZero => Operation::Divide,
            DivisionByZero::NoValue => Operation::DivideStrictly,
        };
        Self { tokens, at: 0, depth: 0, oid_count, divide, program: Vec::with_capacity(tokens.len()) }
    }

    /// The program for the whole text.
    pub(super) fn program(mut self) -> Result<Vec<Operation>, ExpressionError> {
        // Nothing at all was always 0: sensors that only want their paths may have it so.
        if self.peek().kind == Kind::End {
            self.emit(Operation::Number(0.0))?;
            return Ok(self.program);
        }
        self.expression(Binding::Choice)?;
        match self.peek().kind {
            Kind::End => Ok(self.program),
            _ => Err(self.peek().unexpected(OPERATOR)),
        }
    }

    /// An expression of operators that bind at least so tightly.
    fn expression(&mut self, loosest: Binding) -> Result<Shape, ExpressionError> {
        let mut shape = self.operand()?;
        loop {
            let token = self.peek();
            let sign = match token.kind {
                Kind::Sign(sign) => sign,
                Kind::Name(name @ ("and" | "or")) => name,
                _ => "",
            };
            let binding = match sign {
                "?" => Binding::Choice,
                "or" => Binding::Or,
                "and" => Binding::And,
                "+" | "-" => Binding::Sum,
                "/" if self.is_fraction(shape) => Binding::Fraction,
                "*" | "/" | "%" => Binding::Product,
                "^" => Binding::Power,
                _ if comparison(sign).is_some() => Binding::Comparison,
                _ if self.is_unsigned_factor(shape) => Binding::UnsignedProduct,
                _ => return Ok(shape),
            };
            if binding < loosest {
                return Ok(shape);
            }
            if binding != Binding::UnsignedProduct {
                self.at += 1;
            }
            let mut right = Shape::Operator;
            match binding {
                Binding::Choice => self.choice()?,
                Binding::Comparison => self.comparisons(sign)?,
                // Right to left, and a sign may stand in the exponent: 2^-1.
                Binding::Power => right = self.nested(|parser| parser.expression(Binding::Prefix))?,
                _ => right = self.expression(binding.next())?,
            }
            match binding {
                Binding::Choice | Binding::Comparison => {}
                Binding::Or => self.emit(Operation::Or)?,
                Binding::And => self.emit(Operation::And)?,
                Binding::Sum if sign == "+" => self.emit(Operation::Add)?,
                Binding::Sum => self.emit(Operation::Subtract)?,
                Binding::Product if sign == "*" => self.emit(Operation::Multiply)?,
                Binding::Product if sign == "%" => self.emit(Operation::Remainder)?,
                Binding::Product | Binding::Fraction => self.emit(self.divide)?,
                Binding::UnsignedProduct => self.emit(Operation::Multiply)?,
                Binding::Prefix | Binding::Power => self.emit(Operation::Power)?,
            }
            // After `2 $1` stands a value, so that `2 $1 3` goes on.
            shape = if binding == Binding::UnsignedProduct { right } else { Shape::Operator };
        }
    }

    /// `… ? a : b`, after the `?`.
    fn choice(&mut self) -> Result<(), ExpressionError> {
        self.nested(|parser| parser.expression(Binding::Choice))?;
        self.expect(":", "an operator, or : and what holds otherwise")?;
        self.nested(|parser| parser.expression(Binding::Choice))?;
        self.emit(Operation::Choose)
    }

    /// `… < b`, and on: `… < b < c` is `… < b and b < c`. After the first sign.
    fn comparisons(&mut self, first: &'a str) -> Result<(), ExpressionError> {
        let mut links = 0;
        let mut current = comparison(first);
        while let Some(this) = current {
            self.expression(Binding::Comparison.next())?;
            current = match self.peek().kind {
                Kind::Sign(sign) => comparison(sign),
                _ => None,
            };
            if current.is_some() {
                self.emit(Operation::CompareKeeping(this))?;
                self.at += 1;
                links += 1;
            } else {
                self.emit(Operation::Compare(this))?;
            }
        }
        (0..links).try_for_each(|_| self.emit(Operation::And))
    }

    fn operand(&mut self) -> Result<Shape, ExpressionError> {
        let token = self.next();
        match token.kind {
            Kind::Number(number) => self.emit(Operation::Number(number)).map(|()| Shape::Number),
            Kind::Value(n) => self.value(token, n).map(|()| Shape::Atom),
            Kind::Sign("-") => self.prefixed(Some(Operation::Negate)),
            Kind::Sign("+") => self.prefixed(None),
            Kind::Name("not") => self.prefixed(Some(Operation::Not)).map(|_| Shape::Operator),
            Kind::Sign(opening @ ("(" | "[")) => {
                // Square brackets were parentheses to the bot.
                self.nested(|parser| parser.expression(Binding::Choice))?;
                let (closing, expected) =
                    if opening == "(" { (")", "an operator or )") } else { ("]", "an operator or ]") };
                self.expect(closing, expected).map(|()| Shape::Atom)
            }
            Kind::Name(name) => match (function::find(name), function::constant(name)) {
                (Some(function), _) => self.call(token, function).map(|()| Shape::Atom),
                (None, Some(number)) => {
                    self.emit(Operation::Number(number))?;
                    self.refuse_call().map(|()| Shape::Atom)
                }
                (None, None) if matches!(name, "and" | "or") => Err(token.unexpected(OPERAND)),
                (None, None) => {
                    Err(ExpressionError::UnknownName { column: token.column, name: token.quoted() })
                }
            },
            Kind::Sign(_) | Kind::End => Err(token.unexpected(OPERAND)),
        }
    }

    /// What follows a sign.
    fn prefixed(&mut self, operation: Option<Operation>) -> Result<Shape, ExpressionError> {
        let shape = self.nested(|parser| parser.expression(Binding::Prefix))?;
        if let Some(operation) = operation {
            self.emit(operation)?;
        }
        Ok(if shape == Shape::Number { Shape::SignedNumber } else { Shape::Operator })
    }

    fn value(&mut self, token: Token<'a>, n: Option<usize>) -> Result<(), ExpressionError> {
        let slot = n.filter(|n| (1..=self.oid_count).contains(n)).and_then(|n| u32::try_from(n - 1).ok());
        match slot {
            Some(slot) => self.emit(Operation::Value(slot))?,
            None => {
                return Err(ExpressionError::UnknownValue {
                    column: token.column,
                    name: token.quoted(),
                    oid_count: self.oid_count,
                });
            }
        }
        self.refuse_call()
    }

    /// A function's arguments, after its name.
    fn call(&mut self, name: Token<'a>, function: &'static Function) -> Result<(), ExpressionError> {
        self.expect("(", "( after the function's name")?;
        let mut arguments = 0;
        if self.peek().kind == Kind::Sign(")") {
            self.at += 1;
        } else {
            loop {
                self.nested(|parser| parser.expression(Binding::Choice))?;
                arguments += 1;
                // Folded at once: the stack stays low however many arguments there are.
                if let (Meaning::Folded(operation), 2..) = (function.meaning, arguments) {
                    self.emit(operation)?;
                }
                let token = self.next();
                match token.kind {
                    Kind::Sign(",") => {}
                    Kind::Sign(")") => break,
                    _ => return Err(token.unexpected("an operator, a comma or )")),
                }
            }
        }
        function.check_arguments(arguments).map_err(|expected| ExpressionError::Arguments {
            column: name.column,
            function: function.name,
            expected,
            found: arguments,
        })?;
        match (function.meaning, arguments) {
            (Meaning::Folded(_), _) => Ok(()),
            (Meaning::Plain(Operation::Divide), _) => self.emit(self.divide),
            (Meaning::Plain(operation), _) => self.emit(operation),
            (Meaning::Optional { one, .. }, 1) => self.emit(one),
            (Meaning::Optional { two, .. }, _) => self.emit(two),
        }
    }

    /// `$1(2)` looks like a call, and MathJS takes it for one.
    fn refuse_call(&self) -> Result<(), ExpressionError> {
        match self.peek().kind {
            Kind::Sign("(") => Err(self.peek().unexpected(OPERATOR)),
            _ => Ok(()),
        }
    }

    /// Whether the next token begins a factor: `2 $1`, `(1 + 2) $1`, `2 sqrt(4)`, `$1 2`, but not `2 3`.
    fn is_unsigned_factor(&self, before: Shape) -> bool {
        match self.peek().kind {
            Kind::Value(_) | Kind::Sign("(") => true,
            Kind::Name(name) => !matches!(name, "and" | "or" | "not"),
            Kind::Number(_) => before == Shape::Atom,
            Kind::Sign(_) | Kind::End => false,
        }
    }

    /// Whether the `/` here is that of `1/2 $1`, which means half of `$1`: number, `/`, number, factor.
    fn is_fraction(&self, before: Shape) -> bool {
        let follows = |ahead: usize| self.tokens.get(self.at + ahead).map(|token| token.kind);
        matches!(before, Shape::Number | Shape::SignedNumber)
            && matches!(follows(1), Some(Kind::Number(_)))
            && match follows(2) {
                Some(Kind::Value(_) | Kind::Sign("(")) => true,
                Some(Kind::Name(name)) => !matches!(name, "and" | "or" | "not"),
                _ => false,
            }
    }

    /// Something one level deeper, within the limit.
    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        if self.depth == MAX_DEPTH {
            return Err(ExpressionError::TooDeep { column: self.peek().column });
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn emit(&mut self, operation: Operation) -> Result<(), ExpressionError> {
        if self.program.len() == MAX_OPERATIONS {
            return Err(ExpressionError::TooManyOperations { column: self.peek().column });
        }
        self.program.push(operation);
        Ok(())
    }

    fn expect(&mut self, sign: &str, expected: &'static str) -> Result<(), ExpressionError> {
        match self.next() {
            Token { kind: Kind::Sign(found), .. } if found == sign => Ok(()),
            token => Err(token.unexpected(expected)),
        }
    }

    fn peek(&self) -> Token<'a> {
        // The last token is the end, and stays it.
        self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }
}

fn comparison(sign: &str) -> Option<Comparison> {
    Some(match sign {
        "=" | "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}
