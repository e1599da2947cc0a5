"""What every test can rely on, however the tests were started."""

import signal

# A shell that puts the tests in the background has them, and all that they start, ignore an interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
