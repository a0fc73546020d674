"""What `training.planned` names, from the images, the machine and the time."""
