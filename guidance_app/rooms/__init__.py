"""The rooms of the window, one folder each behind `room.Room`; `registry` lists them in the order of the rail."""
