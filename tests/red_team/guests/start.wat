;; Never finishes to begin.
(component
  (core module $m
    (func $for-ever (loop $again (br $again)))
    (start $for-ever)
    (func (export "never") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
  (func (export "never") (result u32) (canon lift (core func $i "never"))))
