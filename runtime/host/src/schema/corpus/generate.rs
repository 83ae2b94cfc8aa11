//! Types and values by chance, the same ones on every run.

use std::fmt::Write as _;
use std::sync::Arc;

use toolcell_core::types::{Case, Field, Int, ResultType, Type};

/// A small generator (xorshift64*), seeded by the test.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).expect("31 bits") % bound
    }

    fn names(&mut self) -> Arc<[Arc<str>]> {
        let count = 1 + self.below(5);
        // Names that are prefixes of each other, and some of many words.
        (0..count).map(|n| ["a", "a-b", "b-c-d", "URL", "x1"][n].into()).collect()
    }

    /// A type that is nested at most so deep.
    pub(super) fn ty(&mut self, depth: usize) -> Type {
        const INTS: [Int; 8] = [Int::U8, Int::U16, Int::U32, Int::U64, Int::S8, Int::S16, Int::S32, Int::S64];
        let kinds = if depth == 0 { 9 } else { 15 };
        match self.below(kinds) {
            0 => Type::Bool,
            1 | 2 => Type::Int(INTS[self.below(8)]),
            3 => Type::F32,
            4 => Type::F64,
            5 => Type::Char,
            6 => Type::String,
            7 => Type::Bytes,
            8 if self.below(2) == 0 => Type::Enum(self.names()),
            8 => Type::Flags(self.names()),
            9 => match self.ty(depth - 1) {
                Type::Int(Int::U8) => Type::Bytes,
                element => Type::List(Arc::new(element)),
            },
            10 | 11 => Type::Option(Arc::new(self.ty(depth - 1))),
            12 => {
                let count = 1 + self.below(3);
                Type::Tuple((0..count).map(|_| self.ty(depth - 1)).collect())
            }
            13 => {
                let names = self.names();
                Type::Record(names.iter().map(|name| Field::new(name, self.ty(depth - 1))).collect())
            }
            _ if self.below(3) == 0 => Type::Result(Arc::new(ResultType {
                ok: (self.below(3) > 0).then(|| self.ty(depth - 1)),
                err: (self.below(3) > 0).then(|| self.ty(depth - 1)),
            })),
            _ => {
                let names = self.names();
                let cases = names
                    .iter()
                    .map(|name| Case { name: name.clone(), payload: (self.below(2) == 0).then(|| self.ty(depth - 1)) });
                Type::Variant(cases.collect())
            }
        }
    }

    /// JSON text for a type; one time in `wrong` a part of it is of another type.
    pub(super) fn json(&mut self, ty: &Type, wrong: usize, out: &mut String) {
        if self.below(wrong) == 0 {
            const ODD: [&str; 12] = [
                "null",
                "true",
                "-1",
                "1.5",
                "300",
                "\"\"",
                "\"AAAA\"",
                "[]",
                "{}",
                "{\"a\":null}",
                "{\"some\":null}",
                "{\"ok\":1}",
            ];
            out.push_str(ODD[self.below(ODD.len())]);
            return;
        }
        match ty {
            Type::Bool => out.push_str(["true", "false"][self.below(2)]),
            Type::Int(int) => {
                let (least, most) = int.range();
                let value = [least, most, 0, 1, most / 2][self.below(5)];
                write!(out, "{value}").expect("a string");
            }
            Type::F32 => out.push_str(["0", "-1.5", "1e30", "\"NaN\"", "0.1"][self.below(5)]),
            Type::F64 => out.push_str(["0", "-1.5", "1e300", "\"-Infinity\"", "0.1"][self.below(5)]),
            Type::Char => out.push_str(["\"a\"", "\"\\u0000\"", "\"🎉\""][self.below(3)]),
            Type::String => out.push_str(["\"\"", "\"plain text\"", "\"\\\"\\\\\\n\\u0001é\""][self.below(3)]),
            Type::Bytes => out.push_str(["\"\"", "\"AA==\"", "\"AAECAwQF\""][self.below(3)]),
            Type::Enum(names) => write!(out, "\"{}\"", names[self.below(names.len())]).expect("a string"),
            Type::Flags(names) => {
                let on: Vec<String> =
                    names.iter().filter(|_| self.below(2) == 0).map(|name| format!("\"{name}\"")).collect();
                write!(out, "[{}]", on.join(",")).expect("a string");
            }
            Type::List(element) => {
                let count = self.below(4);
                self.items((0..count).map(|_| &**element), wrong, out);
            }
            Type::Tuple(types) => self.items(types.iter(), wrong, out),
            Type::Option(_) if self.below(3) == 0 => out.push_str("null"),
            Type::Option(inner) => match **inner {
                Type::Option(_) => self.one("some", Some(inner), wrong, out),
                _ => self.json(inner, wrong, out),
            },
            Type::Record(fields) => {
                out.push('{');
                let mut first = true;
                for field in fields.iter() {
                    if matches!(field.ty, Type::Option(_)) && self.below(2) == 0 {
                        continue;
                    }
                    if !std::mem::take(&mut first) {
                        out.push(',');
                    }
                    write!(out, "\"{}\":", field.json).expect("a string");
                    self.json(&field.ty, wrong, out);
                }
                out.push('}');
            }
            Type::Variant(cases) => {
                let case = &cases[self.below(cases.len())];
                match &case.payload {
                    None => write!(out, "\"{}\"", case.name).expect("a string"),
                    Some(payload) => self.one(&case.name, Some(payload), wrong, out),
                }
            }
            Type::Result(sides) if self.below(2) == 0 => self.one("ok", sides.ok.as_ref(), wrong, out),
            Type::Result(sides) => self.one("err", sides.err.as_ref(), wrong, out),
            Type::Unsupported(_) => out.push_str("null"),
        }
    }

    fn one(&mut self, name: &str, ty: Option<&Type>, wrong: usize, out: &mut String) {
        write!(out, "{{\"{name}\":").expect("a string");
        match ty {
            Some(ty) => self.json(ty, wrong, out),
            None => out.push_str("null"),
        }
        out.push('}');
    }

    fn items<'t>(&mut self, types: impl Iterator<Item = &'t Type>, wrong: usize, out: &mut String) {
        out.push('[');
        for (index, ty) in types.enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.json(ty, wrong, out);
        }
        out.push(']');
    }
}
