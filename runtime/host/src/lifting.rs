//! How much of a guest's data the host holds at one moment, beside the guest's own memory.
//!
//! The engine lifts the arguments of a host function, and the result of a call, into memory of the host before any code
//! of ours sees them, and asks one number of the Store how much that may be. [`Lifts`] sets the number at each border:
//! while the guest runs it is `crossing_bytes`, which is small, since what a host function then does with its arguments
//! holds them once or twice more. Once the function has returned it is what the result may need, as far as the call's
//! memory has room: a result that is held by guest and host at once counts as memory of the call. It stands apart
//! from the boundary because the boundary begins where the arguments have been lifted.

use toolcell_core::types::Type;
use toolcell_core::{Limit, Limits};
use wasmtime::component::Val;
use wasmtime::{CallHook, Store};

use crate::boundary::{CallState, Exhausted, Meter};
use crate::schema::FastPath;

/// What one call may have lifted out of its guest at a time, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifts {
    /// By one call of a host function.
    arguments: u64,
    /// By the result, where there is room.
    result: u64,
    cost: Cost,
    /// The limit `memory`.
    memory: u64,
}

/// What the result of a tool costs while it is lifted. It follows from the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// How many bytes of the host's memory a hundred units of the engine's count can become.
    percent: u64,
    /// The limit that a result is over which needs more than both its limits allow.
    limit: Limit,
}

/// The memory that a guest's data may take in the host beyond what the call has left, in bytes. With the JSON text that
/// is written while the values are still there, which has at most 16 MiB by default, it stays under the 32 MiB that a
/// call may cost the process beside its own memory.
const BESIDE: u64 = 12 << 20;

/// A value of any type, as the engine holds and counts it: the size of a [`Val`] in Wasmtime 48.
const VALUE: u64 = 40;
const _: () = assert!(size_of::<Val>() as u64 == VALUE);

impl Lifts {
    pub(crate) fn new(limits: &Limits, cost: Cost) -> Self {
        let arguments = limits.get(Limit::CrossingBytes);
        let values = match cost.limit {
            Limit::ResultValues => limits.get(Limit::ResultValues).saturating_mul(VALUE),
            _ => 0,
        };
        // A failure's text is cut and not refused, so that a small limit of results must not stop it from being lifted.
        let result = limits.get(Limit::ResultBytes).saturating_add(values).max(arguments);
        Self { arguments, result, cost, memory: limits.get(Limit::Memory) }
    }

    /// Sets the engine's number at each border of the guest.
    pub(crate) fn watch(self, store: &mut Store<CallState>) {
        let arguments = units(self.arguments);
        store.set_hostcall_fuel(arguments);
        store.call_hook(move |mut store, border| {
            match border {
                CallHook::CallingWasm | CallHook::ReturningFromHost => store.set_hostcall_fuel(arguments),
                // Also where an allocator of the guest has returned inside a host function: its end sets the number back.
                CallHook::ReturningFromWasm => {
                    let (result, _) = self.result(&store.data().meter);
                    store.set_hostcall_fuel(units(result));
                }
                CallHook::CallingHost => {}
            }
            Ok(())
        });
    }

    /// Which limit a call has reached whose result was more than could be lifted, with the guest's memory as it is.
    pub(crate) fn over(self, meter: &Meter, limits: &Limits) -> Exhausted {
        let (_, limit) = self.result(meter);
        Exhausted { limit, value: limits.get(limit) }
    }

    /// What the result may be lifted with, in the engine's count, and the limit that says so.
    fn result(self, meter: &Meter) -> (u64, Limit) {
        let room = spare(self.memory, meter).saturating_mul(100) / self.cost.percent;
        if room < self.result { (room, Limit::Memory) } else { (self.result, self.cost.limit) }
    }
}

/// What the host may hold of a guest's data, in bytes: what the call's memory has left, and a little beside.
pub(crate) fn spare(memory: u64, meter: &Meter) -> u64 {
    memory.saturating_sub(meter.memory_now()).saturating_add(BESIDE)
}

/// What values take in memory, in bytes, without the texts in them.
pub(crate) fn held(values: &[Val]) -> u64 {
    let inner = |value: &Option<Box<Val>>| value.as_deref().map_or(0, |value| held(std::slice::from_ref(value)));
    values.iter().fold(0, |sum, value| {
        sum + VALUE
            + match value {
                Val::List(values) | Val::Tuple(values) => held(values),
                Val::Record(fields) => fields.iter().map(|(_, value)| TEXT + held(std::slice::from_ref(value))).sum(),
                Val::Variant(_, value) | Val::Option(value) | Val::Result(Ok(value) | Err(value)) => inner(value),
                Val::Flags(names) => TEXT * names.len() as u64,
                _ => 0,
            }
    })
}

impl Cost {
    /// Of the result of a function, which is called by the typed path where it has one.
    pub(crate) fn of(result: Option<&Type>, fast: Option<&FastPath>) -> Self {
        let mut dearest = 100;
        let lists = result.is_some_and(|ty| repeats(ty, &mut dearest));
        // The typed path lifts texts and bytes as they are.
        if fast.is_some() || !lists {
            return Self { percent: 100, limit: Limit::ResultBytes };
        }
        Self { percent: dearest, limit: Limit::ResultValues }
    }
}

fn units(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Whether a type holds lists. What stands in no list is there once and costs next to nothing; of what does, the dearest.
fn repeats(ty: &Type, dearest: &mut u64) -> bool {
    let mut any = |types: &mut dyn Iterator<Item = &Type>| types.fold(false, |any, ty| repeats(ty, dearest) | any);
    match ty {
        Type::Bytes | Type::List(_) => {
            *dearest = (*dearest).max(element(ty));
            true
        }
        Type::Option(inner) => any(&mut std::iter::once(&**inner)),
        Type::Tuple(types) => any(&mut types.iter()),
        Type::Record(fields) => any(&mut fields.iter().map(|field| &field.ty)),
        Type::Variant(cases) => any(&mut cases.iter().filter_map(|case| case.payload.as_ref())),
        Type::Result(sides) => any(&mut sides.ok.iter().chain(&sides.err)),
        _ => false,
    }
}

/// The dearest part of a type that is repeated, itself included, in bytes of memory to a hundred of the engine's count.
///
/// A part is a value in its place, with what is allocated for it alone; the values within are parts of their own. As all
/// parts add up on both sides, no mixture of them is dearer than the dearest.
fn element(ty: &Type) -> u64 {
    let name = |name: &str| (name.len() as u64, chunk(name.len() as u64));
    let (counted, held) = match ty {
        // An allocation for one byte.
        Type::String => (1, chunk(1)),
        // One element, whose own place is counted with it.
        Type::Bytes | Type::List(_) => (VALUE, places(1, VALUE)),
        Type::Option(_) | Type::Result(_) => (VALUE, chunk(VALUE)),
        Type::Tuple(types) => (VALUE * types.len() as u64, places(types.len() as u64, VALUE)),
        Type::Record(fields) => fields.iter().map(|field| name(&field.wit)).fold(
            (VALUE * fields.len() as u64, places(fields.len() as u64, NAMED)),
            |(counted, held), (bytes, allocated)| (counted + bytes, held + allocated),
        ),
        // The shortest name, without a payload or with it.
        Type::Variant(cases) => dearer(cases.iter().map(|case| {
            let (counted, held) = name(&case.name);
            if case.payload.is_some() { (counted + VALUE, held + chunk(VALUE)) } else { (counted, held) }
        })),
        Type::Enum(names) => dearer(names.iter().map(|case| name(case))),
        Type::Flags(names) => {
            let mut lengths: Vec<_> = names.iter().map(|flag| flag.len() as u64).collect();
            lengths.sort_unstable();
            // Some of them, the shortest first.
            dearer((1..=lengths.len()).map(|some| {
                let set = &lengths[..some];
                (set.iter().sum(), places(some as u64, TEXT) + set.iter().map(|length| chunk(*length)).sum::<u64>())
            }))
        }
        _ => (0, 0),
    };
    let own = ratio(counted, held);
    let within = |types: &mut dyn Iterator<Item = &Type>| types.map(element).max().unwrap_or(own).max(own);
    match ty {
        Type::Option(inner) | Type::List(inner) => within(&mut std::iter::once(&**inner)),
        Type::Tuple(types) => within(&mut types.iter()),
        Type::Record(fields) => within(&mut fields.iter().map(|field| &field.ty)),
        Type::Variant(cases) => within(&mut cases.iter().filter_map(|case| case.payload.as_ref())),
        Type::Result(sides) => within(&mut sides.ok.iter().chain(&sides.err)),
        _ => own,
    }
}

/// A field of a record: its name and its value.
const NAMED: u64 = TEXT + VALUE;
/// A text, without what it holds.
const TEXT: u64 = 24;

/// What the system's allocator takes for so many bytes: glibc's smallest chunk has 32, and a chunk has a head of 8 and is a
/// multiple of 16.
const fn chunk(bytes: u64) -> u64 {
    let whole = (bytes + 8).next_multiple_of(16);
    if whole < 32 { 32 } else { whole }
}

/// What a vector takes that has grown one by one to this length: it doubles, and begins with four places.
fn places(length: u64, size: u64) -> u64 {
    if length == 0 { 0 } else { chunk(length.next_power_of_two().max(4) * size) }
}

/// The pair of counted and held bytes that is the dearest as a part.
fn dearer(parts: impl Iterator<Item = (u64, u64)>) -> (u64, u64) {
    parts.max_by_key(|(counted, held)| ratio(*counted, *held)).unwrap_or((0, 0))
}

/// Bytes held to a hundred counted, rounded up, for a part in its own place.
fn ratio(counted: u64, held: u64) -> u64 {
    (100 * (VALUE + held)).div_ceil(VALUE + counted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use toolcell_core::types::{Case, Field, Int};
    use wasmtime::ResourceLimiter as _;

    use super::*;

    const BYTE: Type = Type::Int(Int::U8);

    fn list(ty: Type) -> Type {
        Type::List(Arc::new(ty))
    }

    fn flags(names: &[&str]) -> Type {
        Type::Flags(names.iter().map(|name| Arc::from(*name)).collect())
    }

    fn percent(ty: &Type) -> u64 {
        Cost::of(Some(ty), None).percent
    }

    /// A call with this much memory, of which so much is held.
    fn room(cost: Cost, limits: &[(Limit, u64)], held: usize) -> (u64, Limit) {
        let limits = limits
            .iter()
            .fold(Limits::default(), |limits, (limit, value)| limits.with(*limit, *value).expect("a value in range"));
        let mut meter = Meter::new(&limits);
        meter.memory_growing(0, held, None).expect("within the limit");
        Lifts::new(&limits, cost).result(&meter)
    }

    #[test]
    fn what_stands_in_no_list_is_not_dear() {
        let many = flags(&["a", "b", "c", "d"]);
        for ty in [BYTE, Type::String, many.clone(), Type::Option(Arc::new(many))] {
            assert_eq!(Cost::of(Some(&ty), None), Cost { percent: 100, limit: Limit::ResultBytes }, "{ty:?}");
        }
        assert_eq!(Cost::of(None, None), Cost { percent: 100, limit: Limit::ResultBytes });
    }

    #[test]
    fn the_dearest_part_of_a_list_counts_wherever_it_stands() {
        // A list of one: its own place and four places of which one is used, against its own place and one.
        let plain = percent(&list(BYTE));
        assert_eq!(plain, (100_u64 * (40 + 176)).div_ceil(80));
        assert_eq!(percent(&Type::Bytes), plain);
        let dear = flags(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        // Eight texts in eight places, each with a byte of its own: 40 counted for the place and 8 for the names.
        let switches = percent(&list(dear.clone()));
        assert_eq!(switches, (100_u64 * (40 + 208 + 8 * 32)).div_ceil(48));
        let record = |ty| Type::Record(Arc::new([Field::new("a", BYTE), Field::new("rest", ty)]));
        let case = Case { name: "some".into(), payload: Some(dear.clone()) };
        for ty in [
            list(list(dear.clone())),
            record(list(dear.clone())),
            list(record(dear.clone())),
            list(Type::Variant(Arc::new([case]))),
            list(Type::Tuple(Arc::new([BYTE, Type::Option(Arc::new(dear))]))),
        ] {
            assert_eq!(percent(&ty), switches, "{ty:?}");
        }
    }

    #[test]
    fn of_names_the_shortest_is_the_dearest() {
        let case = |name: &str| Case { name: name.into(), payload: None };
        let long = "a-name-that-is-longer-than-what-is-allocated-for-it";
        let variant = |names: &[&str]| list(Type::Variant(names.iter().map(|name| case(name)).collect()));
        assert_eq!(percent(&variant(&[long, "a"])), percent(&variant(&["a", long])));
        assert_eq!(element(&Type::Enum(Arc::new(["a".into()]))), (100_u64 * (40 + 32)).div_ceil(41));
        // One short flag alone is dearer than together with long ones.
        assert!(element(&flags(&["a", long, long])) >= element(&flags(&["a"])));
        assert_eq!(element(&flags(&[])), 100);
    }

    #[test]
    fn a_result_has_what_its_limits_allow_where_memory_has_room() {
        let many = Cost { percent: 100, limit: Limit::ResultValues };
        let own = (16 << 20) + 2_000_000 * VALUE;
        assert_eq!(room(many, &[], 1 << 20), (own, Limit::ResultValues));
        assert_eq!(room(many, &[], 256 << 20), (BESIDE, Limit::Memory));
        assert_eq!(room(many, &[(Limit::Memory, 64 << 20)], 60 << 20), ((4 << 20) + BESIDE, Limit::Memory));
        let dear = Cost { percent: 400, limit: Limit::ResultValues };
        assert_eq!(room(dear, &[(Limit::Memory, 64 << 20)], 60 << 20), (((4 << 20) + BESIDE) / 4, Limit::Memory));
    }

    #[test]
    fn a_text_may_be_lifted_that_a_small_limit_of_results_only_cuts() {
        let text = Cost { percent: 100, limit: Limit::ResultBytes };
        assert_eq!(room(text, &[(Limit::ResultBytes, 1)], 0), (17 << 20, Limit::ResultBytes));
        assert_eq!(room(text, &[(Limit::ResultBytes, 32 << 20)], 0), (32 << 20, Limit::ResultBytes));
    }

    #[test]
    fn values_are_held_with_all_that_is_in_them() {
        let byte = Val::U8(7);
        assert_eq!(held(&[]), 0);
        assert_eq!(held(&[byte.clone(), Val::List(vec![byte.clone(); 10])]), 12 * VALUE);
        let record = Val::Record(vec![("a".to_owned(), Val::Option(Some(Box::new(byte))))]);
        assert_eq!(held(&[Val::Result(Ok(Some(Box::new(record))))]), 4 * VALUE + TEXT);
        assert_eq!(held(&[Val::Flags(vec!["a".to_owned(); 3])]), VALUE + 3 * TEXT);
    }

    #[test]
    fn limits_at_their_ceilings_do_not_overflow() {
        let limits = Limits::ceiling();
        let lifts = Lifts::new(&limits, Cost { percent: u64::MAX, limit: Limit::ResultValues });
        assert_eq!(lifts.result(&Meter::new(&limits)), (0, Limit::Memory));
        let lifts = Lifts::new(&limits, Cost { percent: 100, limit: Limit::ResultValues });
        assert_eq!(lifts.over(&Meter::new(&limits), &limits).limit, Limit::ResultValues);
    }
}
