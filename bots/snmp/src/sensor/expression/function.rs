//! The functions and constants that an expression may name.

use super::program::Operation;

/// What the arguments of a function become.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    /// Always as many arguments as the operation takes.
    Plain(Operation),
    /// Two arguments, then one more for each further operation: `max(a, b, c)`.
    Folded(Operation),
    /// The second argument may be left out.
    Optional { one: Operation, two: Operation },
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) meaning: Meaning,
}

impl Function {
    /// Whether it can be called with this many arguments, and if not, how many it takes.
    pub(super) fn check_arguments(&self, found: usize) -> Result<(), &'static str> {
        let (fits, expected) = match self.meaning {
            Meaning::Folded(_) => (found >= 1, "1 or more arguments"),
            Meaning::Optional { .. } => (found == 1 || found == 2, "1 or 2 arguments"),
            Meaning::Plain(operation) => {
                let arguments = operation.operands();
                (found == arguments, ["no arguments", "1 argument", "2 arguments", "3 arguments"][arguments])
            }
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}

const fn function(name: &'static str, meaning: Meaning) -> Function {
    Function { name, meaning }
}

/// All functions. Some have two names: the one that the bot always knew, and MathJS's.
static FUNCTIONS: [Function; 29] = {
    use Meaning::{Folded, Optional, Plain};
    use Operation as Op;
    [
        function("abs", Plain(Op::Abs)),
        function("add", Plain(Op::Add)),
        function("ceil", Plain(Op::Ceil)),
        function("cos", Plain(Op::Cos)),
        function("div", Plain(Op::Divide)),
        function("divide", Plain(Op::Divide)),
        function("exp", Plain(Op::Exp)),
        function("fix", Plain(Op::Trunc)),
        function("floor", Plain(Op::Floor)),
        function("ifElse", Plain(Op::Choose)),
        function("ifElseAlt", Plain(Op::Choose)),
        function("log", Optional { one: Op::Ln, two: Op::Log }),
        function("log10", Plain(Op::Log10)),
        function("log2", Plain(Op::Log2)),
        function("max", Folded(Op::Max)),
        function("min", Folded(Op::Min)),
        function("mod", Plain(Op::Remainder)),
        function("mul", Plain(Op::Multiply)),
        function("multiply", Plain(Op::Multiply)),
        function("pow", Plain(Op::Power)),
        function("round", Optional { one: Op::Round, two: Op::RoundTo }),
        function("sgn", Plain(Op::Sign)),
        function("sign", Plain(Op::Sign)),
        function("sin", Plain(Op::Sin)),
        function("sqrt", Plain(Op::Sqrt)),
        function("sub", Plain(Op::Subtract)),
        function("subtract", Plain(Op::Subtract)),
        function("tan", Plain(Op::Tan)),
        function("trunc", Plain(Op::Trunc)),
    ]
};

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The constant of this name.
pub(super) fn constant(name: &str) -> Option<f64> {
    Some(match name {
        "pi" => std::f64::consts::PI,
        "e" => std::f64::consts::E,
        "true" => 1.0,
        "false" => 0.0,
        _ => return None,
    })
}

/// All functions' names, for errors.
pub(super) fn names() -> String {
    FUNCTIONS.iter().map(|function| function.name).collect::<Vec<_>>().join(", ")
}
