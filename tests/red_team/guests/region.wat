;; Says in which region it runs, which only policy can tell it. Its bytes are signed by the cases of `supply`.
(component
  (import "toolcell:host/config@0.1.0" (instance $config
    (export "get" (func (param "key" string) (result (option string))))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (core func $get (canon lower (func $config "get") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core module $m
    (import "h" "memory" (memory 1))
    (import "h" "get" (func $get (param i32 i32 i32)))
    (data (i32.const 16) "region")
    (func (export "region") (result i32) (call $get (i32.const 16) (i32.const 6) (i32.const 64)) (i32.const 64)))
  (core instance $i (instantiate $m (with "h" (instance
    (export "memory" (memory $libc "memory"))
    (export "get" (func $get))))))
  (func (export "region") (result (option string)) (canon lift (core func $i "region") (memory $libc "memory"))))
