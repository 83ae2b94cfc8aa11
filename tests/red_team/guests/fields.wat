;; Makes header objects out of a list whose entries are all the same megabyte.
(component
  (import "wasi:http/types@0.2.0" (instance $http
    (export "fields" (type $fields (sub resource)))
    (type $error' (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
    (export "header-error" (type $error (eq $error')))
    (type $key' string)
    (export "field-key" (type $key (eq $key')))
    (type $value' (list u8))
    (export "field-value" (type $value (eq $value')))
    (export "[static]fields.from-list"
      (func (param "entries" (list (tuple $key $value))) (result (result (own $fields) (error $error)))))))
  (core module $libc
    (memory (export "memory") 64)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8)))
  (core instance $libc (instantiate $libc))
  (core func $make (canon lower (func $http "[static]fields.from-list") (memory $libc "memory")))
  (core module $m
    (import "h" "memory" (memory 64))
    (import "h" "make" (func $make (param i32 i32 i32)))
    (func (export "well") (result i32) (i32.const 42))
    (func (export "aliases") (local $at i32)
      (memory.fill (i32.const 64) (i32.const 97) (i32.const 1048576))
      (local.set $at (i32.const 2097152))
      (loop $again
        (i32.store (local.get $at) (i32.const 64))
        (i32.store offset=4 (local.get $at) (i32.const 4))
        (i32.store offset=8 (local.get $at) (i32.const 64))
        (i32.store offset=12 (local.get $at) (i32.const 1048576))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $again (i32.lt_u (local.get $at) (i32.const 3697152))))
      (call $make (i32.const 2097152) (i32.const 100000) (i32.const 0))))
  (core instance $i (instantiate $m (with "h" (instance (export "memory" (memory $libc "memory")) (export "make" (func $make))))))
  (func (export "well") (result u32) (canon lift (core func $i "well")))
  (func (export "aliases") (canon lift (core func $i "aliases"))))
