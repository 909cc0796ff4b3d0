"""riqa completion: what a shell needs to complete the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from relational_iqa.commands.options import Positional
from relational_iqa.commands.parser import CONFIG_HELP, Command, has_own_config

Shell = Literal["bash", "zsh", "fish"]


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    """Options of `riqa completion`."""

    shell: Annotated[Shell, Positional("SHELL")]
    """The shell: bash, zsh or fish."""


def completion_of(commands: Callable[[], Mapping[str, Command[Any]]]) -> Callable[[CompletionOptions], None]:
    """The command, for a table of commands that it is part of itself."""

    def completion(options: CompletionOptions) -> None:
        """Prints a script that completes commands, options and values in a shell.

        For bash, put this line into ~/.bashrc: eval "$(riqa completion bash)". For zsh, into ~/.zshrc after compinit:
        eval "$(riqa completion zsh)". For fish: riqa completion fish > ~/.config/fish/completions/riqa.fish. The script
        holds all it needs: completing starts no program.
        """
        from relational_iqa.commands.completion_scripts import SCRIPTS, Described, described

        found = []
        for name, command in commands().items():
            more = [] if has_own_config(command) else [Described("--config", CONFIG_HELP, "F.yaml")]
            found.append(described(name, str(command.run.__doc__), command.options, more))
        print(SCRIPTS[options.shell](found), end="")

    return completion
