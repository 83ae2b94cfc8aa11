;; Goes deep, and comes in again where it already is.
(component
  (import "toolcell:host/config@0.1.0" (instance $config (export "get" (func (param "key" string) (result (option string))))))
  (core module $libc
    (memory (export "memory") 1)
    (table (export "table") 4 funcref)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (core func $get (canon lower (func $config "get") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core module $m
    (import "h" "memory" (memory 1))
    (import "h" "table" (table 4 funcref))
    (import "h" "get" (func $get (param i32 i32 i32)))
    (type $void (func))
    (func (export "well") (result i32) (i32.const 42))
    (func $down (export "recurse") (param i32) (result i32)
      (i32.add (i32.const 1) (call $down (i32.add (local.get 0) (i32.const 1)))))
    ;; Slot 0 holds this very function, lifted and lowered again: a call from outside, from inside.
    (func (export "enter") (call_indirect (type $void) (i32.const 0)))
    ;; Asks the host for something while the host waits for an address.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (call $get (i32.const 16) (i32.const 4) (i32.const 0))
      (i32.const 2048))
    (func (export "take") (param i32 i32)))
  (core instance $i (instantiate $m (with "h" (instance
    (export "memory" (memory $libc "memory")) (export "table" (table $libc "table")) (export "get" (func $get))))))
  (func $enter (export "enter") (canon lift (core func $i "enter")))
  (core func $entered (canon lower (func $enter)))
  (core module $fill
    (import "h" "table" (table 4 funcref))
    (import "h" "entered" (func $entered))
    (elem (i32.const 0) func $entered))
  (core instance (instantiate $fill (with "h" (instance (export "table" (table $libc "table")) (export "entered" (func $entered))))))
  (func (export "well") (result u32) (canon lift (core func $i "well")))
  (func (export "recurse") (param "depth" u32) (result u32) (canon lift (core func $i "recurse")))
  (func (export "take") (param "text" string)
    (canon lift (core func $i "take") (memory $libc "memory") (realloc (func $i "realloc")))))
