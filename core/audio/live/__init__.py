"""Live sound: microphone, pipe and socket, behind one ring buffer."""
