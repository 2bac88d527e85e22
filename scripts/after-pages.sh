#!/bin/sh
# Called by cargo in place of rustc for the server's own crate (RUSTC_WORKSPACE_WRAPPER): compiles it once the pages that it embeds
# are there. Cargo also asks it about the compiler, which need not wait.
case " $* " in
  *" --crate-name tutti "*)
    until [ -s "$TUTTI_PAGES_DONE" ]; do sleep 0.1; done
    [ "$(cat "$TUTTI_PAGES_DONE")" = 0 ] || exit 1
    ;;
esac
exec "$@"
