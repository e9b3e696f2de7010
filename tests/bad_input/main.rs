//! Bad input, row by row, through the program's public face: the binary that people run, on folders made for each test.
//! Each replay is also watched for what no input may cause: a panic, or a change in the recorded folder.

mod consent;
mod folders;
mod meeting;
mod out;
mod runs;
mod tracks;
mod webm;
