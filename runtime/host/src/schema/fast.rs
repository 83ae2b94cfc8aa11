//! The typed path, for signatures that move bytes and text.
//!
//! A dynamic value holds each byte of a `list<u8>` in forty bytes and one branch. Where a signature has only texts and byte lists as
//! parameters (at most two) and as its result, the engine is asked for a typed function instead, and bytes are copied
//! as bytes. The answer is the same as that of the dynamic path, problem for problem; a test compares them.

use std::borrow::Cow;

use toolcell_core::failure::{Failure, Kind};
use toolcell_core::json::Json;
use toolcell_core::types::{Signature, Type};
use wasmtime::AsContextMut;
use wasmtime::component::{ComponentNamedList, ComponentType, Func, Lift, Lower};

use super::conclude::{self, Conclusion};
use super::lift::{LiftBounds, LiftError, lift_bytes, lift_string};
use super::lower::{self, LowerError};

/// The typed path of a signature, where it has one. Texts alone gain a little by it (13 to 20 % for a large one), bytes very much.
pub fn fast_path(signature: &Signature) -> Option<FastPath> {
    let form = |ty: &Type| match ty {
        Type::Bytes => Some(Form::Bytes),
        Type::String => Some(Form::Text),
        _ => None,
    };
    let params: Vec<Form> = signature.params.iter().map(|field| form(&field.ty)).collect::<Option<_>>()?;
    if params.is_empty() || params.len() > 2 {
        return None;
    }
    let (ok, err) = match signature.result.as_ref()? {
        Type::Result(sides) => {
            let err = match sides.err.as_ref()? {
                Type::String => Error::Text,
                ty if conclude::is_failure(ty) => Error::Failure,
                _ => return None,
            };
            (form(sides.ok.as_ref()?)?, err)
        }
        ty => (form(ty)?, Error::None),
    };
    Some(FastPath { signature: signature.clone(), params, ok, err })
}

/// A signature that can be called with typed values.
#[derive(Clone, Debug)]
pub struct FastPath {
    signature: Signature,
    params: Vec<Form>,
    ok: Form,
    err: Error,
}

/// Checked arguments for a [`FastPath`].
#[derive(Clone, Debug, PartialEq)]
pub struct FastArguments<'a>(Vec<Argument<'a>>);

#[derive(Clone, Debug, PartialEq)]
enum Argument<'a> {
    Bytes(Vec<u8>),
    Text(Cow<'a, str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bytes,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Error {
    None,
    Text,
    Failure,
}

impl FastArguments<'_> {
    /// The same arguments on their own, to be sent to another thread.
    pub fn into_owned(self) -> FastArguments<'static> {
        let owned = |argument| match argument {
            Argument::Bytes(bytes) => Argument::Bytes(bytes),
            Argument::Text(text) => Argument::Text(Cow::Owned(text.into_owned())),
        };
        FastArguments(self.0.into_iter().map(owned).collect())
    }
}

impl FastPath {
    /// Checks arguments, as [`lower()`](super::lower()) does. Bytes count as one value here, because they cost no more than themselves.
    ///
    /// # Errors
    /// Exactly those of the dynamic path.
    pub fn arguments<'a>(&self, arguments: &'a Json<'a>) -> Result<FastArguments<'a>, LowerError> {
        if let Some(fitting) = self.fitting(arguments) {
            return Ok(FastArguments(fitting));
        }
        // Something is wrong; the dynamic check says what, in the same words as everywhere.
        Err(LowerError::Problems(lower::problems(&self.signature, arguments)))
    }

    fn fitting<'a>(&self, arguments: &'a Json<'a>) -> Option<Vec<Argument<'a>>> {
        let Json::Object(members) = arguments else { return None };
        if members.len() != self.params.len() {
            return None;
        }
        let mut fitting = Vec::with_capacity(self.params.len());
        for (form, field) in self.params.iter().zip(self.signature.params.iter()) {
            let (_, Json::String(text)) = members.iter().find(|(name, _)| **name == *field.json)? else { return None };
            fitting.push(match form {
                Form::Bytes => Argument::Bytes(lower::decode_base64(text).ok()?),
                Form::Text => Argument::Text(Cow::Borrowed(text)),
            });
        }
        Some(fitting)
    }

    /// Calls the function, whose signature must be the one this path was made for.
    ///
    /// # Errors
    /// The engine's error where the call trapped or the function is of another type; the inner error as of [`conclude()`](super::conclude()).
    pub async fn call(
        &self,
        store: impl AsContextMut<Data: Send>,
        func: &Func,
        arguments: &FastArguments<'_>,
        bounds: LiftBounds,
    ) -> wasmtime::Result<Result<Conclusion, LiftError>> {
        use Argument::{Bytes, Text};
        match arguments.0.as_slice() {
            [Bytes(a)] => self.with(store, func, (a.as_slice(),), bounds).await,
            [Text(a)] => self.with(store, func, (&**a,), bounds).await,
            [Bytes(a), Bytes(b)] => self.with(store, func, (a.as_slice(), b.as_slice()), bounds).await,
            [Bytes(a), Text(b)] => self.with(store, func, (a.as_slice(), &**b), bounds).await,
            [Text(a), Bytes(b)] => self.with(store, func, (&**a, b.as_slice()), bounds).await,
            [Text(a), Text(b)] => self.with(store, func, (&**a, &**b), bounds).await,
            _ => Err(wasmtime::Error::msg("a typed path takes one or two arguments")),
        }
    }

    async fn with<P>(
        &self,
        store: impl AsContextMut<Data: Send>,
        func: &Func,
        params: P,
        bounds: LiftBounds,
    ) -> wasmtime::Result<Result<Conclusion, LiftError>>
    where
        P: ComponentNamedList + Lower + Send + Sync,
    {
        match (self.ok, self.err) {
            (Form::Bytes, Error::None) => run::<P, Vec<u8>>(store, func, params, bounds).await,
            (Form::Bytes, Error::Text) => run::<P, Result<Vec<u8>, String>>(store, func, params, bounds).await,
            (Form::Bytes, Error::Failure) => run::<P, Result<Vec<u8>, ToolFailure>>(store, func, params, bounds).await,
            (Form::Text, Error::None) => run::<P, String>(store, func, params, bounds).await,
            (Form::Text, Error::Text) => run::<P, Result<String, String>>(store, func, params, bounds).await,
            (Form::Text, Error::Failure) => run::<P, Result<String, ToolFailure>>(store, func, params, bounds).await,
        }
    }
}

async fn run<P, R>(
    mut store: impl AsContextMut<Data: Send>,
    func: &Func,
    params: P,
    bounds: LiftBounds,
) -> wasmtime::Result<Result<Conclusion, LiftError>>
where
    P: ComponentNamedList + Lower + Send + Sync,
    R: Lift + ComponentType + Conclude + Send + Sync + 'static,
{
    let func = func.typed::<P, (R,)>(&store)?;
    let (result,) = func.call_async(&mut store, params).await?;
    Ok(result.conclude(bounds))
}

/// What a typed result means.
trait Conclude {
    fn conclude(self, bounds: LiftBounds) -> Result<Conclusion, LiftError>;
}

impl Conclude for Vec<u8> {
    fn conclude(self, bounds: LiftBounds) -> Result<Conclusion, LiftError> {
        let mut out = String::new();
        lift_bytes(&self, bounds, &mut out)?;
        Ok(Conclusion::Value(out))
    }
}

impl Conclude for String {
    fn conclude(self, bounds: LiftBounds) -> Result<Conclusion, LiftError> {
        let mut out = String::new();
        lift_string(&self, bounds, &mut out)?;
        Ok(Conclusion::Value(out))
    }
}

impl<T: Conclude, E: Explain> Conclude for Result<T, E> {
    fn conclude(self, bounds: LiftBounds) -> Result<Conclusion, LiftError> {
        match self {
            Ok(value) => value.conclude(bounds),
            Err(error) => Ok(Conclusion::Failure(Box::new(error.explain()))),
        }
    }
}

/// `failure` of `toolcell:tool/types@0.1.0`, as the engine lifts it.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(variant)]
enum ToolFailure {
    #[component(name = "invalid-argument")]
    InvalidArgument(ToolProblem),
    #[component(name = "unavailable")]
    Unavailable(Outage),
    #[component(name = "not-found")]
    NotFound(String),
    #[component(name = "conflict")]
    Conflict(String),
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "needs-person")]
    NeedsPerson(ToolQuestion),
    #[component(name = "fatal")]
    Fatal(String),
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
struct ToolProblem {
    pointer: String,
    expected: String,
    found: Option<String>,
    message: String,
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
struct Outage {
    message: String,
    #[component(name = "retry-after-ms")]
    retry_after_ms: Option<u64>,
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
struct ToolQuestion {
    text: String,
    choices: Vec<String>,
}

/// What a typed error means.
trait Explain {
    fn explain(self) -> Failure;
}

impl Explain for String {
    fn explain(self) -> Failure {
        conclude::failure_of_text(&self)
    }
}

impl Explain for ToolFailure {
    fn explain(self) -> Failure {
        match self {
            Self::InvalidArgument(problem) => conclude::invalid_argument(
                &problem.pointer,
                &problem.expected,
                problem.found.as_deref(),
                &problem.message,
            ),
            Self::Unavailable(outage) => conclude::unavailable(&outage.message, outage.retry_after_ms),
            Self::NotFound(text) => conclude::plain(Kind::NotFound, &text),
            Self::Conflict(text) => conclude::plain(Kind::Conflict, &text),
            Self::Denied(text) => conclude::plain(Kind::Refused, &text),
            Self::NeedsPerson(question) => conclude::needs_person(&question.text, &question.choices),
            Self::Fatal(text) => conclude::plain(Kind::Fatal, &text),
        }
    }
}
