"""Files of cubes wherever they are: on disks, web servers, in buckets and archives; unpacked."""
