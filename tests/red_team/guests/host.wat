;; Leans on host functions: sizes beyond measure, the same megabyte again and again, objects without end.
(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))
    (export "get-random-u64" (func (result u64)))))
  (import "toolcell:host/config@0.1.0" (instance $config
    (export "get" (func (param "key" string) (result (option string))))
    (export "keys" (func (result (list string))))))
  (import "toolcell:host/log@0.1.0" (instance $log
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error-type))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error-type (type $e))
    (export "output-stream" (type $out (sub resource)))
    (export "error" (type $error (eq $e)))
    (type $stream-error' (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $out))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $out (type $o))
    (export "output-stream" (type $q (eq $o)))
    (export "get-stdout" (func (result (own $q))))))
  (import "wasi:http/types@0.2.0" (instance $http
    (export "fields" (type $fields (sub resource)))
    (export "[constructor]fields" (func (result (own $fields))))))
  (core module $libc
    (memory (export "memory") 320)
    ;; One place for everything that comes back: nothing of it is read.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (if (result i32) (i32.gt_u (local.get 3) (i32.const 1000000)) (then (i32.const 16777216)) (else (i32.const 1024)))))
  (core instance $libc (instantiate $libc))
  (core func $bytes (canon lower (func $random "get-random-bytes") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core func $get (canon lower (func $config "get") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core func $say (canon lower (func $log "write") (memory $libc "memory")))
  (core func $stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $libc "memory")))
  (core func $fields (canon lower (func $http "[constructor]fields")))
  (core module $m
    (import "h" "memory" (memory 320))
    (import "h" "bytes" (func $bytes (param i64 i32)))
    (import "h" "get" (func $get (param i32 i32 i32)))
    (import "h" "say" (func $say (param i32 i32 i32)))
    (import "h" "stdout" (func $stdout (result i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (import "h" "fields" (func $fields (result i32)))
    (data (i32.const 64) "xxxxxxxxxxxxxxxx")
    (func (export "well") (result i32) (call $bytes (i64.const 8) (i32.const 0)) (i32.const 42))
    (func (export "random") (param i64) (call $bytes (local.get 0) (i32.const 0)))
    (func (export "ask-config") (param $size i32)
      (loop $again (call $get (i32.const 2048) (local.get $size) (i32.const 0)) (br $again)))
    (func (export "fields") (loop $again (drop (call $fields)) (br $again)))
    (func (export "write") (param $size i32) (local $out i32)
      (local.set $out (call $stdout))
      (loop $again (call $write (local.get $out) (i32.const 64) (local.get $size) (i32.const 32)) (br $again)))
    (func (export "say-nothing") (loop $again (call $say (i32.const 1) (i32.const 0) (i32.const 0)) (br $again))))
  (core instance $i (instantiate $m (with "h" (instance
    (export "memory" (memory $libc "memory")) (export "bytes" (func $bytes)) (export "get" (func $get)) (export "say" (func $say))
    (export "stdout" (func $stdout)) (export "write" (func $write)) (export "fields" (func $fields))))))
  (func (export "well") (result u32) (canon lift (core func $i "well")))
  (func (export "random") (param "length" u64) (canon lift (core func $i "random")))
  (func (export "ask-config") (param "size" u32) (canon lift (core func $i "ask-config")))
  (func (export "fields") (canon lift (core func $i "fields")))
  (func (export "write") (param "size" u32) (canon lift (core func $i "write")))
  (func (export "say-nothing") (canon lift (core func $i "say-nothing"))))
