"""What every room uses: atomic writes, parallel maps, folders of the user, devices, processes, errors."""
