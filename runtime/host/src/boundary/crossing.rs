//! The one way from a guest to the host: enter, do, leave.
//!
//! [`Door`] implements every generated `Host` trait through the [`crossing!`] macro and does nothing by itself. Each
//! function enters, which counts, charges and asks the interceptor; does its work in what stands behind the door; and
//! leaves, which charges the result and tells the interceptor. Nothing is linked that does not pass here: that is why
//! calls can be counted, refused, recorded, replayed and faked in one place.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use wasmtime::component::ResourceTable;

use super::CallState;
use super::ends::Refused;
use super::functions::FunctionId;

/// What the guest reaches: the call's state, with every host function on it.
pub struct Door<'a>(pub(super) &'a mut CallState);

/// Sees every crossing of a call, and can take over.
///
/// A recorder proceeds and writes down; a replayer answers; a fake does what its test wants. It runs on the guest's
/// thread inside the call, so it must not block. It sees a call after it was counted: one that is over a limit is not
/// shown.
pub trait Interceptor: Send {
    /// A guest has called `function`. An answer may put resources into `table`, where the guest's later calls find
    /// them.
    fn enter(&mut self, function: FunctionId, arguments: &[&dyn Crossed], table: &mut ResourceTable) -> Entry;

    /// `function` has come to its result, whether it proceeded, was denied or was answered. The result is what the
    /// binding returns: a [`Result`] that holds the error the guest sees, or a trap.
    fn leave(&mut self, function: FunctionId, result: &dyn Crossed);
}

/// What becomes of a call of a host function.
pub enum Entry {
    /// It takes its course.
    Proceed,
    /// It does not happen. The guest gets the error of that interface which says so, where there is one; otherwise the
    /// call ends as [`Refused`]. The attempt is noted with this reason.
    Deny(Cow<'static, str>),
    /// It does not happen, and this is its result: a value of exactly the type that the binding returns.
    Answer(Box<dyn Any + Send>),
}

/// A value that crosses, as an argument or as a result.
pub trait Crossed: Any + fmt::Debug {
    /// Its bytes: the contents of strings and lists, and the size of everything else.
    fn weight(&self) -> u64;

    /// The bytes of several.
    fn weights(items: &[Self]) -> u64
    where
        Self: Sized,
    {
        items.iter().map(Self::weight).sum()
    }
}

/// An interceptor answered with a value of another type than the function has.
#[derive(Debug, thiserror::Error)]
#[error("an interceptor answered `{0:?}` with a value that is not of the function's result type")]
pub struct WrongAnswer(pub FunctionId);

/// The result of a host function: it can always become a trap or a refusal.
pub(super) trait Returned: Crossed + Sized {
    fn trapped(error: wasmtime::Error) -> Self;
    fn refused(refused: Refused) -> Self;
}

/// An error type of the bindings.
pub(super) trait Refusal: Crossed {
    /// Ends the call.
    fn trap(error: wasmtime::Error) -> Self;

    /// The interface's own way to say that something is not allowed, or a trap where it has none.
    fn refuse(refused: Refused) -> Self;
}

impl<T: Crossed, E: Refusal> Returned for Result<T, E> {
    fn trapped(error: wasmtime::Error) -> Self {
        Err(E::trap(error))
    }

    fn refused(refused: Refused) -> Self {
        Err(E::refuse(refused))
    }
}

impl Door<'_> {
    /// Begins a host function. With a result it is over already; without one it takes its course.
    pub(super) fn enter<R: Returned>(
        &mut self,
        function: FunctionId,
        weight: u64,
        arguments: &[&dyn Crossed],
    ) -> Option<R> {
        let state = &mut *self.0;
        state.current = function;
        if let Err(exhausted) = state.budget.enter(function, weight) {
            return Some(R::trapped(exhausted.into()));
        }
        match state.interceptor {
            None => None,
            Some(_) => self.consult(function, arguments),
        }
    }

    /// Ends a host function.
    pub(super) fn leave<R: Returned>(&mut self, function: FunctionId, result: R) -> R {
        let state = &mut *self.0;
        if let Some(interceptor) = &mut state.interceptor {
            interceptor.leave(function, &result);
        }
        if let Some(over) = state.egress.over() {
            return R::trapped(state.budget.over(over.limit).into());
        }
        if let Some(fault) = state.egress.fault() {
            return R::trapped(fault.clone().into());
        }
        match state.budget.carry(result.weight()) {
            Ok(()) => result,
            Err(exhausted) => R::trapped(exhausted.into()),
        }
    }

    #[cold]
    fn consult<R: Returned>(&mut self, function: FunctionId, arguments: &[&dyn Crossed]) -> Option<R> {
        let state = &mut *self.0;
        let interceptor = state.interceptor.as_mut()?;
        let result = match interceptor.enter(function, arguments, &mut state.table) {
            Entry::Proceed => return None,
            Entry::Deny(reason) => {
                state.deny(reason.clone());
                R::refused(Refused { function, reason })
            }
            Entry::Answer(answer) => match (answer as Box<dyn Any>).downcast::<R>() {
                Ok(answer) => *answer,
                Err(_) => R::trapped(WrongAnswer(function).into()),
            },
        };
        Some(self.leave(function, result))
    }
}

/// Implements a generated trait on [`Door`], one line a function: its signature and its WIT name.
///
/// `|state| expression` is what stands behind the door: something that implements the same trait and does the work.
/// `nothing` instead of it means that no call can own the resource which these functions need; what is left of them
/// is the crossing, so that an interceptor can fake the whole. `drop` and `convert` go straight through; what was faked
/// needs no end.
macro_rules! crossing {
    (impl $($trait:ident)::+, $interface:literal, |$state:ident| $behind:expr; $($rest:tt)*) => {
        impl $($trait)::+ for $crate::boundary::crossing::Door<'_> {
            crossing! { @ ($($trait)::+) $interface (|$state| $behind) $($rest)* }
        }
    };
    (impl $($trait:ident)::+, $interface:literal, nothing; $($rest:tt)*) => {
        impl $($trait)::+ for $crate::boundary::crossing::Door<'_> {
            crossing! { @ ($($trait)::+) $interface (nothing) $($rest)* }
        }
    };

    (@ $trait:tt $interface:literal $behind:tt) => {};
    (@ $trait:tt $interface:literal $behind:tt
        fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty = $wit:literal; $($rest:tt)*
    ) => {
        fn $name(&mut self, $($arg: $ty),*) -> $ret {
            crossing! { @body self $interface $wit $ret, ($($arg)*),
                crossing!(@do self $trait $behind $name ($($arg)*) $ret) }
        }
        crossing! { @ $trait $interface $behind $($rest)* }
    };
    (@ $trait:tt $interface:literal $behind:tt
        async fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty = $wit:literal; $($rest:tt)*
    ) => {
        async fn $name(&mut self, $($arg: $ty),*) -> $ret {
            crossing! { @body self $interface $wit $ret, ($($arg)*),
                crossing!(@do self $trait $behind $name ($($arg)*) $ret, await) }
        }
        crossing! { @ $trait $interface $behind $($rest)* }
    };
    (@ $trait:tt $interface:literal (nothing) drop($ty:ty); $($rest:tt)*) => {
        fn drop(&mut self, _: $ty) -> wasmtime::Result<()> {
            Ok(())
        }
        crossing! { @ $trait $interface (nothing) $($rest)* }
    };
    (@ $trait:tt $interface:literal (nothing) async drop($ty:ty); $($rest:tt)*) => {
        async fn drop(&mut self, _: $ty) -> wasmtime::Result<()> {
            Ok(())
        }
        crossing! { @ $trait $interface (nothing) $($rest)* }
    };
    (@ $trait:tt $interface:literal $behind:tt drop($ty:ty); $($rest:tt)*) => {
        fn drop(&mut self, resource: $ty) -> wasmtime::Result<()> {
            crossing!(@do self $trait $behind drop (resource) wasmtime::Result<()>)
        }
        crossing! { @ $trait $interface $behind $($rest)* }
    };
    (@ $trait:tt $interface:literal $behind:tt async drop($ty:ty); $($rest:tt)*) => {
        async fn drop(&mut self, resource: $ty) -> wasmtime::Result<()> {
            crossing!(@do self $trait $behind drop (resource) wasmtime::Result<()>, await)
        }
        crossing! { @ $trait $interface $behind $($rest)* }
    };
    (@ $trait:tt $interface:literal $behind:tt convert $name:ident($ty:ty) -> $ret:ty; $($rest:tt)*) => {
        fn $name(&mut self, error: $ty) -> $ret {
            crossing!(@do self $trait $behind $name (error) $ret)
        }
        crossing! { @ $trait $interface $behind $($rest)* }
    };

    (@body $self:ident $interface:literal $wit:literal $ret:ty, ($($arg:ident)*), $do:expr) => {{
        const FUNCTION: $crate::boundary::functions::FunctionId =
            $crate::boundary::functions::FunctionId::of($interface, $wit);
        let weight = 0 $(+ $crate::boundary::crossing::Crossed::weight(&$arg))*;
        if let Some(over) = $self.enter::<$ret>(FUNCTION, weight, &[$(&$arg),*]) {
            return over;
        }
        let result: $ret = $do;
        $self.leave(FUNCTION, result)
    }};

    (@do $self:ident ($($trait:ident)::+) (|$state:ident| $behind:expr)
        $name:ident ($($arg:ident)*) $ret:ty $(, $await:tt)?
    ) => {{
        let $state = &mut *$self.0;
        $($trait)::+::$name($behind, $($arg),*)$(.$await)?
    }};
    (@do $self:ident $trait:tt (nothing) $name:ident ($($arg:ident)*) $ret:ty $(, $await:tt)?) => {{
        $(let _ = $arg;)*
        let nothing = wasmtime::component::ResourceTableError::NotPresent;
        <$ret as $crate::boundary::crossing::Returned>::trapped(nothing.into())
    }};
}
pub(super) use crossing;
