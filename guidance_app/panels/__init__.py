"""What several rooms share: actions, their buttons and lists, icons, jobs, words that pass by."""
