"""Sequences of frames, from folders or from videos: frame by frame, and what all frames say together.

ffmpeg        a video as RGB frames through a pipe, and what its header says
video_samples  RGB of the samples that ffmpeg gives
sources       a folder or a video as frames in order
frame_row     the result of one frame for one candidate, and its row of the CSV
comparing     all frames of several sequences, one after another
kept_rows     the CSV of a run, which a later run continues
correlated    means of frames that resemble their neighbours, with intervals
flicker       defects that alternate between frames
summary       what all frames of one candidate say together
page          the page with the timeline
"""
