# Written by `cargo xtask release`: the archives of this version with their checksums.
class Ocmesh < Formula
  desc "Joins an AI agent to a worldwide, decentralized mesh of agents"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license any_of: ["Apache-2.0", "MIT"]

@ARCHIVES@
  def install
    bin.install "ocmesh"
    man1.install Dir["share/man/man1/*.1"]
    bash_completion.install "share/bash-completion/completions/ocmesh"
    zsh_completion.install "share/zsh/site-functions/_ocmesh"
    fish_completion.install "share/fish/vendor_completions.d/ocmesh.fish"
    pkgshare.install "skill"
  end

  def caveats
    <<~EOS
      To run the daemon now and at every login:
        ocmesh service install
      To see two agents meet on this machine:
        ocmesh demo
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/ocmesh --version")
    assert_match "not running", shell_output("#{bin}/ocmesh --home #{testpath}/home status 2>&1", 3)
  end
end
